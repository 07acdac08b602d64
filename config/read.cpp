#include "config/read.hpp"

#include <algorithm>

#include "config/environment.hpp"
#include "config/flags.hpp"
#include "config/settings.hpp"
#include "config/settings_file.hpp"

namespace troupe::config {
namespace {

// What a source says of --config; empty if nothing.
std::string config_file(const std::vector<Given>& given) {
  for (const Given& each : given)
    if (each.setting->name == "config" && !each.setting->flag_only) return each.texts.front();
  return {};
}

}  // namespace

bool read(Table& table, const Sources& sources) {
  Settings scratch;
  const Table known = schema(scratch);
  const Flags flags = parse_flags(table, sources.arguments);
  if (flags.help) return false;
  const auto variables = parse_environment(table, sources.environment, known);
  std::string file = config_file(flags.given);
  if (file.empty()) file = config_file(variables);
  const auto lines = file.empty() ? std::vector<Given>{} : parse_settings_file(table, file, known);
  for (const auto* source : {&lines, &variables, &flags.given})
    for (const Given& each : *source) assign(each);
  return true;
}

std::string show(const Table& table) {
  std::string text;
  for (const Setting& each : table) {
    if (each.flag_only || each.name == "config") continue;
    const std::string value = toml_value(each);
    std::string line = std::string(each.name) + " = ";
    if (value.empty())
      line = "# " + line + (each.unset.empty() ? "\"\"" : std::string(each.unset));
    else if (each.secret)
      line = "# " + line + "(hidden)";
    else
      line += value;
    text += line + "  # from " + each.source + "\n";
  }
  return text;
}

}  // namespace troupe::config
