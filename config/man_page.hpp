// The manual page of a command for man: troff with the macros of man(7). Any thread.
#pragma once

#include <string>
#include <string_view>

#include "config/manual.hpp"

namespace troupe::config {

// Of section 1, its file is page_name(page.command) + ".1". ASCII, so far as the page's texts are.
std::string man_page(const Page& page, const Table& table, std::string_view version);

}  // namespace troupe::config
