// What a manual page says, before it is laid out for a terminal or for man. Any thread.
#pragma once

#include <string>
#include <vector>

#include "config/manual.hpp"

namespace troupe::config {

struct Entry {
  enum class Form {
    paragraphs,  // parted by empty lines
    lines,       // which stay as they are
    option,      // term: "-tp, --tensor-parallel-size N"; text: sentences
    subcommand   // term: its name; text: half a line
  };
  Form form;
  std::string term;
  std::string text;
};

struct Section {
  std::string title;
  std::vector<Entry> entries;
};

std::vector<Section> sections_of(const Page& page, const Table& table);

// Whether the manual names it by its flag; else by its argument alone.
bool shows_flag(const Setting& setting);
// Whether it has a --no- flag, too.
bool has_opposite(const Setting& setting);

}  // namespace troupe::config
