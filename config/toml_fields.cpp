#include "config/toml_fields.hpp"

#include "config/nearest.hpp"
#include "config/setting.hpp"

namespace troupe::config {
namespace {

std::chrono::sys_seconds seconds_of(const toml::date_time& moment) {
  const auto& [date, time, offset] = moment;
  const std::chrono::sys_days day{std::chrono::year(date.year) / std::chrono::month(date.month) /
                                  std::chrono::day(date.day)};
  return day + std::chrono::hours(time.hour) + std::chrono::minutes(time.minute) +
         std::chrono::seconds(time.second) - std::chrono::minutes(offset ? offset->minutes : 0);
}

}  // namespace

toml::table parse_toml(std::string_view text, std::string_view where) {
  try {
    return toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    throw UsageError(error.description(),
                     std::string(where) + ":" + std::to_string(error.source().begin.line));
  }
}

std::string place_of(const toml::node& node, std::string_view where) {
  return std::string(where) + ":" + std::to_string(node.source().begin.line) + ": ";
}

const toml::node* TomlFields::find(std::string_view name) {
  known_.emplace(name);
  return table_.get(name);
}

std::string TomlFields::text(std::string_view name) {
  const toml::node* node = find(name);
  if (!node || !node->is_string()) wrong(name, node, "a text in quotes");
  return node->as_string()->get();
}

std::optional<std::string> TomlFields::optional_text(std::string_view name) {
  if (find(name)) return text(name);
  return std::nullopt;
}

bool TomlFields::boolean(std::string_view name) {
  const toml::node* node = find(name);
  if (node && !node->is_boolean()) wrong(name, node, "true or false");
  return node && node->as_boolean()->get();
}

std::optional<std::int64_t> TomlFields::whole(std::string_view name, std::int64_t low, std::int64_t high) {
  const toml::node* node = find(name);
  if (!node) return std::nullopt;
  const auto* value = node->as_integer();
  if (!value || value->get() < low || value->get() > high)
    wrong(name, node, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  return value->get();
}

std::vector<std::string> TomlFields::texts(std::string_view name) {
  const toml::node* node = find(name);
  std::vector<std::string> all;
  if (!node) return all;
  if (!node->is_array()) wrong(name, node, "an array of texts");
  for (const toml::node& each : *node->as_array()) {
    if (!each.is_string()) wrong(name, node, "an array of texts");
    all.push_back(each.as_string()->get());
  }
  return all;
}

std::optional<std::chrono::sys_seconds> TomlFields::time(std::string_view name) {
  const toml::node* node = find(name);
  if (!node) return std::nullopt;
  if (const auto* date = node->as_date()) return seconds_of({date->get(), {}, toml::time_offset{}});
  if (const auto* moment = node->as_date_time()) return seconds_of(moment->get());
  wrong(name, node, "a date or a time, such as 2027-01-31T00:00:00Z, without quotes");
}

const toml::array* TomlFields::tables(std::string_view name) {
  const toml::node* node = find(name);
  if (node && !(node->is_array() && node->as_array()->is_homogeneous<toml::table>()))
    wrong(name, node, "tables: [[...]]");
  return node ? node->as_array() : nullptr;
}

void TomlFields::end() const {
  for (const auto& [key, node] : table_)
    if (const std::string name(key.str()); !known_.contains(name))
      throw UsageError(
          "unknown key", place_of(node, where_) + name,
          "the nearest known one is " + nearest(name, std::vector(known_.begin(), known_.end())));
}

void TomlFields::wrong(std::string_view name, const toml::node* node, const std::string& wanted) const {
  if (!node) throw UsageError("is missing", place_of(table_, where_) + std::string(name), "write " + wanted);
  throw UsageError("expected " + wanted, place_of(*node, where_) + std::string(name));
}

}  // namespace troupe::config
