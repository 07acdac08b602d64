#include "config/man_page.hpp"

#include <algorithm>
#include <sstream>

#include "config/manual_sections.hpp"

namespace troupe::config {
namespace {

constexpr std::size_t source_width = 72;

// Text of one line that troff shows as it is: none of its characters is a command, and none becomes a prettier one, such as a
// hyphen that nobody can paste into a shell.
std::string escaped(std::string_view line) {
  std::string out;
  if (line.starts_with('.')) out = "\\&";
  for (const char c : line) {
    switch (c) {
      case '\\':
        out += "\\(rs";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '"':
        out += "\\(dq";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string escaped_lines(std::string_view text) {
  std::string out;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) out += escaped(line) + "\n";
  return out;
}

std::string paragraphs(std::string_view text) {
  std::string out;
  std::istringstream stream{std::string(text)};
  for (std::string paragraph; std::getline(stream, paragraph);)
    if (!paragraph.empty())
      out += (out.empty() ? "" : ".PP\n") + escaped_lines(wrapped(paragraph, 0, source_width));
  return out;
}

// "-tp, --tensor-parallel-size N": flags bold, the rest slanted.
std::string option_term(std::string_view term) {
  std::string out;
  std::istringstream words{std::string(term)};
  for (std::string word; words >> word;) {
    const bool more = word.ends_with(',');
    if (more) word.pop_back();
    out.append(out.empty() ? "" : " ").append(word.starts_with('-') ? "\\fB" : "\\fI");
    out.append(escaped(word)).append("\\fR").append(more ? "," : "");
  }
  return out;
}

std::string reference(const std::string& page) {
  return ".BR " + escaped(page) + " (1)\n";
}

std::string troff(const Entry& entry, std::string_view command) {
  switch (entry.form) {
    case Entry::Form::paragraphs:
      return paragraphs(entry.text);
    case Entry::Form::lines:
      return ".EX\n" + escaped_lines(entry.text) + ".EE\n";
    case Entry::Form::option:
      return ".TP\n" + option_term(entry.term) + "\n" + paragraphs(entry.text);
    case Entry::Form::subcommand:
      return ".TP\n" +
             reference(page_name(command.empty() ? entry.term : std::string(command) + " " + entry.term)) +
             paragraphs(entry.text);
  }
  return {};
}

std::string troff(const Section& section, std::string_view command) {
  std::string text = ".SH \"" + escaped(section.title) + "\"\n";
  for (const Entry& each : section.entries) {
    const bool first = &each == &section.entries.front();
    if (!first && each.form == Entry::Form::paragraphs) text += ".PP\n";
    text += troff(each, command);
  }
  return text;
}

}  // namespace

std::string man_page(const Page& page, const Table& table, std::string_view version) {
  std::string title = page_name(page.command);
  std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return std::toupper(c); });
  std::string text = ".\\\" Made by troupe manual.\n.TH " + escaped(title) + " 1 \"\" \"troupe " +
                     escaped(version) + "\" \"Troupe\"\n";
  for (const Section& each : sections_of(page, table)) text += troff(each, page.command);
  if (!page.command.empty()) {
    const std::string_view above = page.command.substr(0, page.command.find_last_of(' '));
    text += ".SH \"SEE ALSO\"\n" + reference(page_name(above == page.command ? "" : above));
  }
  return text;
}

}  // namespace troupe::config
