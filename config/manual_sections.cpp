#include "config/manual_sections.hpp"

#include <algorithm>

namespace troupe::config {
namespace {

using Form = Entry::Form;

std::string synopsis_of(const Page& page, const Table& table) {
  std::string line = "troupe";
  if (!page.command.empty()) line.append(" ").append(page.command);
  if (!page.subcommands.empty()) return line + " SUBCOMMAND [ARGUMENT]...";
  for (const Setting& each : table)
    if (each.positional)
      line += (each.required ? " " + std::string(each.argument) : " [" + std::string(each.argument) + "]") +
              (kind_of(each) == Kind::texts ? "..." : "");
    else if (each.required)
      line += " --" + std::string(each.name) + " " + std::string(each.argument);
  return line + " [OPTION]...";
}

std::string flags_of(const Setting& setting) {
  const std::string name(setting.name);
  if (!shows_flag(setting)) return std::string(setting.argument);
  std::string flags = setting.short_flag.empty() ? "" : std::string(setting.short_flag) + ", ";
  flags += "--" + name;
  if (kind_of(setting) == Kind::boolean) return has_opposite(setting) ? flags + ", --no-" + name : flags;
  return flags + " " + std::string(setting.argument);
}

std::string help_of(const Setting& setting) {
  std::string help(setting.help);
  if (!setting.choices.empty()) {
    help += " One of";
    for (std::size_t i = 0; i < setting.choices.size(); ++i)
      help.append(i == 0 ? " " : ", ").append(setting.choices[i]);
    if (!setting.besides.empty()) help.append(", or ").append(setting.besides);
    help += ".";
  }
  const std::string value = toml_value(setting);
  const bool idle_switch = kind_of(setting) == Kind::boolean && !has_opposite(setting);
  if (!value.empty() && !idle_switch)
    help += " Default: " + value + ".";
  else if (!setting.unset.empty() && !setting.required)
    help += " Default: " + std::string(setting.unset) + ".";
  return help;
}

std::vector<Section> options_of(const Table& table) {
  std::vector<Section> sections;
  const auto section = [&](std::string_view title) -> Section& {
    if (title.empty()) title = "OPTIONS";
    if (sections.empty() || sections.back().title != title) sections.push_back({std::string(title), {}});
    return sections.back();
  };
  for (const Setting& each : table)
    section(each.section).entries.push_back({Form::option, flags_of(each), help_of(each)});
  section(table.empty() ? "" : table.back().section)
      .entries.push_back({Form::option, "-h, --help", "This page."});
  return sections;
}

Section subcommands_of(const Page& page) {
  Section section{"SUBCOMMANDS", {}};
  for (const Subcommand& each : page.subcommands)
    section.entries.push_back({Form::subcommand, std::string(each.name), std::string(each.summary)});
  const std::string command = page.command.empty() ? "troupe" : "troupe " + std::string(page.command);
  section.entries.push_back(
      {Form::paragraphs, "", command + " SUBCOMMAND --help is the manual page of one."});
  return section;
}

}  // namespace

bool shows_flag(const Setting& setting) {
  return !(setting.positional && setting.flag_only);
}

bool has_opposite(const Setting& setting) {
  return kind_of(setting) == Kind::boolean && !setting.flag_only;
}

std::string page_name(std::string_view command) {
  std::string name = "troupe";
  if (!command.empty()) name.append("-").append(command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::vector<Section> sections_of(const Page& page, const Table& table) {
  std::vector<Section> sections;
  const auto add = [&](const char* title, Form form, std::string text) {
    if (!text.empty()) sections.push_back({title, {{form, "", std::move(text)}}});
  };
  add("NAME", Form::paragraphs, page_name(page.command) + " - " + std::string(page.summary));
  add("SYNOPSIS", Form::lines, synopsis_of(page, table));
  add("DESCRIPTION", Form::paragraphs, std::string(page.description));
  if (!page.subcommands.empty()) {
    sections.push_back(subcommands_of(page));
    return sections;
  }
  for (Section& each : options_of(table)) sections.push_back(std::move(each));
  if (std::any_of(table.begin(), table.end(), [](const Setting& each) { return !each.flag_only; }))
    add("ENVIRONMENT", Form::paragraphs,
        "Options of the deployment are also read from variables, such as TROUPE_MAX_NUM_SEQS for "
        "--max-num-seqs (lists are separated by commas), and from the TOML file that --config names. "
        "Flags are stronger than variables, and those than the file.");
  add("EXAMPLES", Form::lines, std::string(page.examples));
  add("EXIT STATUS", Form::paragraphs, std::string(page.exit_status));
  return sections;
}

}  // namespace troupe::config
