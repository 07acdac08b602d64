#include "config/manual.hpp"

#include <algorithm>
#include <sstream>

namespace troupe::config {
namespace {

constexpr std::size_t section_indent = 7;  // as man lays pages out
constexpr std::size_t option_indent = 14;

std::string synopsis(const Page& page, const Table& table) {
  std::string line = "troupe " + std::string(page.command);
  for (const Setting& each : table)
    if (each.positional)
      line += (each.required ? " " + std::string(each.argument) : " [" + std::string(each.argument) + "]") +
              (kind_of(each) == Kind::texts ? "..." : "");
    else if (each.required)
      line += " --" + std::string(each.name) + " " + std::string(each.argument);
  return line + " [OPTION]...\n";
}

std::string flags_of(const Setting& setting) {
  const std::string name(setting.name);
  if (setting.positional && setting.flag_only) return std::string(setting.argument);
  std::string flags = setting.short_flag.empty() ? "" : std::string(setting.short_flag) + ", ";
  flags += "--" + name;
  if (kind_of(setting) == Kind::boolean) return setting.flag_only ? flags : flags + ", --no-" + name;
  return flags + " " + std::string(setting.argument);
}

std::string entry(const Setting& setting) {
  std::string help(setting.help);
  if (!setting.choices.empty()) {
    help += " One of";
    for (std::size_t i = 0; i < setting.choices.size(); ++i)
      help.append(i == 0 ? " " : ", ").append(setting.choices[i]);
    if (!setting.besides.empty()) help.append(", or ").append(setting.besides);
    help += ".";
  }
  const std::string value = toml_value(setting);
  const bool idle_switch = setting.flag_only && kind_of(setting) == Kind::boolean;  // it has no opposite
  if (!value.empty() && !idle_switch)
    help += " Default: " + value + ".";
  else if (!setting.unset.empty() && !setting.required)
    help += " Default: " + std::string(setting.unset) + ".";
  return wrapped(flags_of(setting), section_indent) + wrapped(help, option_indent) + "\n";
}

std::string options(const Table& table) {
  std::string text = table.empty() ? "OPTIONS\n" : "";
  std::string_view section;
  for (const Setting& each : table) {
    const std::string_view title = each.section.empty() ? "OPTIONS" : each.section;
    if (title != section) text += std::string(title) + "\n";
    section = title;
    text += entry(each);
  }
  return text + std::string(section_indent, ' ') + "-h, --help\n" + wrapped("This page.", option_indent) +
         "\n";
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::istringstream paragraphs{std::string(text)};
  for (std::string paragraph; std::getline(paragraphs, paragraph);) {
    std::string line;
    std::istringstream words(paragraph);
    for (std::string word; words >> word;) {
      if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
        out += std::string(indent, ' ') + line + "\n";
        line.clear();
      }
      line += (line.empty() ? "" : " ") + word;
    }
    out += line.empty() ? "\n" : std::string(indent, ' ') + line + "\n";
  }
  return out;
}

std::string manual(const Page& page, const Table& table) {
  const std::string margin(section_indent, ' ');
  const auto lines = [&](std::string_view text) {
    std::string out;
    std::istringstream stream{std::string(text)};
    for (std::string line; std::getline(stream, line);) out += line.empty() ? "\n" : margin + line + "\n";
    return out + "\n";
  };
  std::string text =
      "NAME\n" + margin + "troupe-" + std::string(page.command) + " - " + std::string(page.summary) + "\n\n";
  text += "SYNOPSIS\n" + margin + synopsis(page, table) + "\n";
  text += "DESCRIPTION\n" + wrapped(page.description, section_indent) + "\n";
  text += options(table);
  const bool deployment = std::any_of(table.begin(), table.end(), [](const auto& s) { return !s.flag_only; });
  if (deployment)
    text += "ENVIRONMENT\n" +
            wrapped(
                "Options of the deployment are also read from variables, such as TROUPE_MAX_NUM_SEQS for "
                "--max-num-seqs (lists are separated by commas), and from the TOML file that --config names. "
                "Flags are stronger than variables, and those than the file.",
                section_indent) +
            "\n";
  text += "EXAMPLES\n" + lines(page.examples);
  text += "EXIT STATUS\n" + wrapped(page.exit_status, section_indent);
  return text;
}

}  // namespace troupe::config
