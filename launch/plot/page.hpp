// Drawings as one file that needs nothing else, light or dark as its reader's screen is. Plain functions, any thread.
#pragma once

#include <vector>

#include "launch/plot/drawing.hpp"

namespace troupe::launch::plot {

struct Page {
  std::string name;                        // of the program, for the window's title
  std::string heading;                     // what was measured
  std::vector<std::vector<Drawing>> rows;  // of drawings side by side
  std::string table{};                     // plain text below them; may be empty
};

std::string html_of(const Page& page);
// Without the table.
std::string svg_of(const Page& page);

}  // namespace troupe::launch::plot
