#include "config/manual.hpp"

#include <sstream>

#include "config/manual_sections.hpp"

namespace troupe::config {
namespace {

constexpr std::size_t section_indent = 7;  // as man lays pages out
constexpr std::size_t option_indent = 14;
constexpr std::size_t summary_column = 12;  // of a subcommand, behind its name

std::string indented(std::string_view text) {
  std::string out;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);)
    out += line.empty() ? "\n" : std::string(section_indent, ' ') + line + "\n";
  return out;
}

std::string column(std::string name) {
  name.resize(std::max(name.size() + 1, summary_column), ' ');
  return name;
}

std::string laid_out(const Entry& entry) {
  switch (entry.form) {
    case Entry::Form::paragraphs:
      return wrapped(entry.text, section_indent);
    case Entry::Form::lines:
      return indented(entry.text);
    case Entry::Form::option:
      return wrapped(entry.term, section_indent) + wrapped(entry.text, option_indent);
    case Entry::Form::subcommand:
      return indented(column(entry.term) + entry.text);
  }
  return {};
}

std::string laid_out(const Section& section) {
  std::string text = section.title + "\n";
  bool row = false;  // of a table
  for (const Entry& each : section.entries) {
    const bool first = &each == &section.entries.front();
    const bool next_row = row && each.form == Entry::Form::subcommand;
    row = each.form == Entry::Form::subcommand;
    text += (first || next_row ? "" : "\n") + laid_out(each);
  }
  return text;
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
  std::string text;
  for (const Section& each : sections_of(page, table)) text += (text.empty() ? "" : "\n") + laid_out(each);
  return text;
}

}  // namespace troupe::config
