// The page that --help prints, laid out as a manual page. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "config/setting.hpp"

namespace troupe::config {

struct Page {
  std::string_view command;      // "serve"
  std::string_view summary;      // half a line
  std::string_view description;  // paragraphs parted by empty lines; wrapped here
  std::string_view examples;     // lines as they are; "$ " begins a command
  std::string_view exit_status = "0 success; 1 failure; 2 wrong flag, variable or setting.";
};

std::string manual(const Page& page, const Table& table);

// Words of text in lines of at most `width`, each after `indent` spaces; empty lines stay.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width = 80);

}  // namespace troupe::config
