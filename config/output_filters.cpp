#include "config/output_filters.hpp"

#include <set>

#include "config/api_keys.hpp"
#include "config/setting.hpp"
#include "config/toml_fields.hpp"
#include "runtime/base/file.hpp"

namespace troupe::config {
namespace {

constexpr const char* default_replacement = "[filtered]";

bool masks(TomlFields& fields) {
  const std::string action = fields.text("action");
  if (action != "stop" && action != "mask")
    fields.wrong("action", fields.node("action"), "\"stop\" or \"mask\"");
  return action == "mask";
}

OutputRule rule_of(const toml::table& table, std::string_view where) {
  TomlFields fields(table, where);
  OutputRule rule{.pattern = fields.text("pattern"), .masks = masks(fields)};
  rule.place = place_of(*fields.node("pattern"), where) + "pattern";
  const auto replacement = fields.optional_text("replacement");
  if (replacement && (!rule.masks || replacement->size() > max_replacement_bytes))
    fields.wrong("replacement", fields.node("replacement"),
                 "at most " + std::to_string(max_replacement_bytes) + " bytes, of a rule that masks");
  if (rule.masks) rule.replacement = replacement.value_or(default_replacement);
  if (const auto bytes = fields.whole("hold-back", least_hold_back, most_hold_back))
    rule.hold_back = std::int32_t(*bytes);
  fields.end();
  return rule;
}

OutputFilterSettings filter_of(const toml::table& table, std::string_view where) {
  TomlFields fields(table, where);
  OutputFilterSettings filter{.name = fields.text("name"), .everyone = fields.boolean("everyone")};
  check_caller_name(filter.name, place_of(table, where) + "name");
  if (const toml::array* rules = fields.tables("rule"))
    for (const toml::node& each : *rules) filter.rules.push_back(rule_of(*each.as_table(), where));
  fields.end();
  if (filter.rules.empty())
    throw UsageError("filter '" + filter.name + "' has no rule", place_of(table, where) + "rule",
                     "write [[filter.rule]] behind it");
  return filter;
}

}  // namespace

std::vector<OutputFilterSettings> parse_output_filters(std::string_view text, std::string_view where) {
  const toml::table document = parse_toml(text, where);
  TomlFields fields(document, where);
  std::vector<OutputFilterSettings> filters;
  std::set<std::string> names;
  std::size_t rules = 0;
  if (const toml::array* tables = fields.tables("filter"))
    for (const toml::node& each : *tables) {
      filters.push_back(filter_of(*each.as_table(), where));
      rules += filters.back().rules.size();
      if (!names.insert(filters.back().name).second)
        throw UsageError("filter '" + filters.back().name + "' is there twice",
                         place_of(each, where) + "name", "give one filter several rules");
    }
  fields.end();
  if (rules > max_filter_rules)
    throw UsageError(
        "has " + std::to_string(rules) + " rules, and may have " + std::to_string(max_filter_rules), where,
        "join patterns by |");
  return filters;
}

std::vector<OutputFilterSettings> read_output_filters(const std::filesystem::path& file) {
  return parse_output_filters(read_file(file, max_output_filters_file_bytes), file.string());
}

}  // namespace troupe::config
