// The manual page of a command, made of its settings: as --help prints it, laid out as man does. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/setting.hpp"

namespace troupe::config {

struct Subcommand {
  std::string_view name;     // "add"
  std::string_view summary;  // half a line
};

struct Page {
  std::string_view command;           // "serve", "keys add"; empty: the program itself
  std::string_view summary;           // half a line
  std::string_view description = {};  // paragraphs parted by empty lines; wrapped here
  std::string_view examples = {};     // lines as they are; "$ " begins a command
  std::string_view exit_status = "0 success; 1 failure; 2 wrong flag, variable or setting.";
  std::span<const Subcommand> subcommands = {};  // of a command that has some, and no settings
};

// What pages are called: "troupe-keys-add".
std::string page_name(std::string_view command);

std::string manual(const Page& page, const Table& table);

// Words of text in lines of at most `width`, each after `indent` spaces; empty lines stay.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width = 80);

}  // namespace troupe::config
