// The command line of a subcommand: settings from all sources, or its manual page.
#pragma once

#include <functional>

#include "config/manual.hpp"
#include "config/setting.hpp"
#include "launch/subcommands.hpp"

namespace troupe::launch {

// Sets the targets of the table from the arguments, this process's
// environment and, if the table has a setting "config", a TOML file. False if
// --help was asked for: the page is shown then, and there is nothing to do.
bool read_command_line(const config::Page& page, config::Table& table, const Arguments& arguments);

// As --help does: prints it, or gives it to who reads pages.
void show_page(const config::Page& page, const config::Table& table);

// While one lives, pages that are shown go to the reader, and nothing is printed. Of the main thread.
using PageReader = std::function<void(const config::Page&, const config::Table&)>;
class PageReading {
 public:
  explicit PageReading(PageReader reader);
  ~PageReading();
  PageReading(const PageReading&) = delete;
  PageReading& operator=(const PageReading&) = delete;
};

}  // namespace troupe::launch
