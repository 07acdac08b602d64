#include "config/api_keys.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "config/nearest.hpp"
#include "config/setting.hpp"
#include "runtime/base/file.hpp"

namespace troupe::config {
namespace {

constexpr std::array class_names{"none", "inference", "metrics", "control"};
constexpr std::size_t sha256_digits = 64;
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

std::string place(std::string_view where, const toml::node& node) {
  return std::string(where) + ":" + std::to_string(node.source().begin.line) + ": ";
}

// The fields of one table, each asked for by its name; then what is left is unknown.
class Fields {
 public:
  Fields(const toml::table& table, std::string_view where) : table_(table), where_(where) {}

  std::string text(std::string_view name) {
    const toml::node* node = find(name);
    if (!node || !node->is_string()) wrong(name, node, "a text in quotes");
    return node->as_string()->get();
  }
  std::optional<std::string> optional_text(std::string_view name) {
    return table_.contains(name) ? std::optional(text(name)) : std::nullopt;
  }
  bool boolean(std::string_view name) {
    const toml::node* node = find(name);
    if (node && !node->is_boolean()) wrong(name, node, "true or false");
    return node && node->as_boolean()->get();
  }
  template <class Whole>
  std::optional<Whole> whole(std::string_view name, std::int64_t low, std::int64_t high) {
    const toml::node* node = find(name);
    if (!node) return std::nullopt;
    const auto* value = node->as_integer();
    if (!value || value->get() < low || value->get() > high)
      wrong(name, node, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
    return Whole(value->get());
  }
  std::vector<std::string> texts(std::string_view name) {
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
  std::optional<std::chrono::sys_seconds> time(std::string_view name) {
    const toml::node* node = find(name);
    if (!node) return std::nullopt;
    if (const auto* date = node->as_date()) return seconds_of({date->get(), {}, toml::time_offset{}});
    if (const auto* moment = node->as_date_time()) return seconds_of(moment->get());
    wrong(name, node, "a date or a time, such as 2027-01-31T00:00:00Z, without quotes");
  }
  const toml::array* tables(std::string_view name) {
    const toml::node* node = find(name);
    if (node && !(node->is_array() && node->as_array()->is_homogeneous<toml::table>()))
      wrong(name, node, "tables: [[...]]");
    return node ? node->as_array() : nullptr;
  }
  void end() const {
    for (const auto& [key, node] : table_)
      if (const std::string name(key.str()); !known_.contains(name))
        throw UsageError(
            "unknown key", place(where_, node) + name,
            "the nearest known one is " + nearest(name, std::vector(known_.begin(), known_.end())));
  }
  [[noreturn]] void wrong(std::string_view name, const toml::node* node, const std::string& wanted) const {
    if (!node) throw UsageError("is missing", place(where_, table_) + std::string(name), "write " + wanted);
    throw UsageError("expected " + wanted, place(where_, *node) + std::string(name));
  }
  const toml::node* node(std::string_view name) const { return table_.get(name); }

 private:
  static std::chrono::sys_seconds seconds_of(const toml::date_time& moment) {
    using namespace std::chrono;
    const auto& [date, time, offset] = moment;
    const sys_days day{year(date.year) / month(date.month) / std::chrono::day(date.day)};
    return day + hours(time.hour) + minutes(time.minute) + seconds(time.second) -
           minutes(offset ? offset->minutes : 0);
  }
  const toml::node* find(std::string_view name) {
    known_.emplace(name);
    return table_.get(name);
  }

  const toml::table& table_;
  const std::string_view where_;
  std::set<std::string> known_;
};

bool is_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

ApiKey key_of(const toml::table& table, std::string_view where) {
  Fields fields(table, where);
  ApiKey key{.sha256 = fields.text("sha256"), .expires = fields.time("expires")};
  fields.end();
  if (key.sha256.size() != sha256_digits || !std::ranges::all_of(key.sha256, is_digit))
    fields.wrong("sha256", fields.node("sha256"), "64 hexadecimal digits, as troupe keys add writes them");
  return key;
}

KeyClass class_of(Fields& fields) {
  const auto name = fields.optional_text("class");
  if (!name) return KeyClass::inference;
  const auto found = std::ranges::find(class_names, *name);
  if (found == class_names.end() || found == class_names.begin())
    fields.wrong("class", fields.node("class"), "\"inference\", \"metrics\" or \"control\"");
  return KeyClass(found - class_names.begin());
}

Caller caller_of(const toml::table& table, std::string_view where) {
  Fields fields(table, where);
  Caller caller{.name = fields.text("name"), .key_class = class_of(fields)};
  check_caller_name(caller.name, place(where, table) + "name");
  caller.requests_per_minute = fields.whole<std::int64_t>("requests-per-minute", 1, most_per_minute);
  caller.tokens_per_minute = fields.whole<std::int64_t>("tokens-per-minute", 1, most_per_minute);
  caller.concurrent = fields.whole<std::int32_t>("concurrent", 1, int32_max);
  caller.max_tokens = fields.whole<std::int32_t>("max-tokens", 1, int32_max);
  caller.models = fields.texts("models");
  caller.priority = fields.whole<std::int32_t>("priority", -largest_priority, largest_priority);
  caller.shares_prefix_cache = fields.boolean("shares-prefix-cache");
  if (const toml::array* keys = fields.tables("key"))
    for (const toml::node& each : *keys) caller.keys.push_back(key_of(*each.as_table(), where));
  fields.end();
  return caller;
}

void check_once(const std::vector<Caller>& callers, std::string_view where) {
  std::set<std::string_view> names, keys;
  for (const Caller& caller : callers) {
    if (!names.insert(caller.name).second)
      throw UsageError("caller '" + caller.name + "' is there twice", where, "give one caller several keys");
    for (const ApiKey& key : caller.keys)
      if (!keys.insert(key.sha256).second)
        throw UsageError("a key is there twice: " + key.sha256, where, "delete one of the two");
  }
}

}  // namespace

std::string_view to_string(KeyClass kind) {
  return class_names[std::size_t(kind)];
}

void check_caller_name(std::string_view name, std::string_view where) {
  const bool visible = std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127; });
  if (name.empty() || !visible || name.size() > max_caller_name_bytes)
    throw UsageError("expected 1 to " + std::to_string(max_caller_name_bytes) +
                         " visible ASCII characters without a space",
                     where);
}

std::vector<Caller> parse_callers(std::string_view text, std::string_view where) {
  toml::table document;
  try {
    document = toml::parse(text, where);
  } catch (const toml::parse_error& error) {
    throw UsageError(error.description(),
                     std::string(where) + ":" + std::to_string(error.source().begin.line));
  }
  Fields fields(document, where);
  std::vector<Caller> callers;
  if (const toml::array* tables = fields.tables("caller"))
    for (const toml::node& each : *tables) callers.push_back(caller_of(*each.as_table(), where));
  fields.end();
  check_once(callers, where);
  return callers;
}

std::vector<Caller> read_callers(const std::filesystem::path& file) {
  return parse_callers(read_file(file, max_api_keys_file_bytes), file.string());
}

std::string callers_text(const std::vector<Caller>& callers) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text.append(name).append(" = ").append(value).append("\n");
  };
  const auto number = [&](std::string_view name, const auto& value) {
    if (value) line(name, std::to_string(*value));
  };
  const auto quoted = [](std::string value) { return toml_value({.target = &value}); };
  for (const Caller& caller : callers) {
    text += text.empty() ? "[[caller]]\n" : "\n[[caller]]\n";
    line("name", quoted(caller.name));
    line("class", quoted(std::string(to_string(caller.key_class))));
    number("requests-per-minute", caller.requests_per_minute);
    number("tokens-per-minute", caller.tokens_per_minute);
    number("concurrent", caller.concurrent);
    number("max-tokens", caller.max_tokens);
    std::vector<std::string> models = caller.models;
    if (!models.empty()) line("models", toml_value({.target = &models}));
    number("priority", caller.priority);
    if (caller.shares_prefix_cache) line("shares-prefix-cache", "true");
    for (const ApiKey& key : caller.keys) {
      text += "[[caller.key]]\n";
      line("sha256", quoted(key.sha256));
      if (key.expires) line("expires", time_text(*key.expires));
    }
  }
  return text;
}

std::optional<std::chrono::sys_seconds> parse_time(std::string_view text) {
  try {
    toml::table table = toml::parse("time = " + std::string(text));
    return Fields(table, "").time("time");
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string time_text(std::chrono::sys_seconds time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

}  // namespace troupe::config
