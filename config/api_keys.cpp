#include "config/api_keys.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "config/setting.hpp"
#include "config/toml_fields.hpp"
#include "runtime/base/file.hpp"

namespace troupe::config {
namespace {

constexpr std::array class_names{"none", "inference", "metrics", "control"};
constexpr std::size_t sha256_digits = 64;
constexpr std::int64_t int32_max = std::numeric_limits<std::int32_t>::max();

bool is_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

ApiKey key_of(const toml::table& table, std::string_view where) {
  TomlFields fields(table, where);
  ApiKey key{.sha256 = fields.text("sha256"), .expires = fields.time("expires")};
  fields.end();
  if (key.sha256.size() != sha256_digits || !std::ranges::all_of(key.sha256, is_digit))
    fields.wrong("sha256", fields.node("sha256"), "64 hexadecimal digits, as troupe keys add writes them");
  return key;
}

KeyClass class_of(TomlFields& fields) {
  const auto name = fields.optional_text("class");
  if (!name) return KeyClass::inference;
  const auto found = std::ranges::find(class_names, *name);
  if (found == class_names.end() || found == class_names.begin())
    fields.wrong("class", fields.node("class"), "\"inference\", \"metrics\" or \"control\"");
  return KeyClass(found - class_names.begin());
}

std::optional<std::int32_t> narrow(std::optional<std::int64_t> value) {
  return value ? std::optional(std::int32_t(*value)) : std::nullopt;
}

Caller caller_of(const toml::table& table, std::string_view where) {
  TomlFields fields(table, where);
  Caller caller{.name = fields.text("name"), .key_class = class_of(fields)};
  check_caller_name(caller.name, place_of(table, where) + "name");
  caller.requests_per_minute = fields.whole("requests-per-minute", 1, most_per_minute);
  caller.tokens_per_minute = fields.whole("tokens-per-minute", 1, most_per_minute);
  caller.concurrent = narrow(fields.whole("concurrent", 1, int32_max));
  caller.max_tokens = narrow(fields.whole("max-tokens", 1, int32_max));
  caller.models = fields.texts("models");
  caller.priority = narrow(fields.whole("priority", -largest_priority, largest_priority));
  caller.shares_prefix_cache = fields.boolean("shares-prefix-cache");
  caller.filters = fields.texts("filters");
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
  const toml::table document = parse_toml(text, where);
  TomlFields fields(document, where);
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
    std::vector<std::string> filters = caller.filters;
    if (!filters.empty()) line("filters", toml_value({.target = &filters}));
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
    return TomlFields(table, "").time("time");
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
