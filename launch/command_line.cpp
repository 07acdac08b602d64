#include "launch/command_line.hpp"

#include <iostream>

#include "config/environment.hpp"
#include "config/read.hpp"

namespace troupe::launch {
namespace {

PageReader& page_reader() {
  static PageReader reader;
  return reader;
}

}  // namespace

bool read_command_line(const config::Page& page, config::Table& table, const Arguments& arguments) {
  const auto environment = config::process_environment();
  if (config::read(table, {arguments, environment})) return true;
  show_page(page, table);
  return false;
}

void show_page(const config::Page& page, const config::Table& table) {
  if (page_reader())
    page_reader()(page, table);
  else
    std::cout << config::manual(page, table);
}

PageReading::PageReading(PageReader reader) {
  page_reader() = std::move(reader);
}
PageReading::~PageReading() {
  page_reader() = nullptr;
}

}  // namespace troupe::launch
