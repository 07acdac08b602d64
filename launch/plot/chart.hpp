// Curves over two axes. Plain function, any thread.
#pragma once

#include <utility>
#include <vector>

#include "launch/plot/drawing.hpp"

namespace troupe::launch::plot {

struct Curve {
  std::string name;  // in the legend; empty: it is not in there
  std::vector<std::pair<double, double>> points;
  std::size_t color = 0;  // of those that there are, from the start again behind the last
  bool dashed = false;
  bool marked = false;  // a dot at each point
};

struct Axis {
  std::string label;         // what, and its unit
  bool logarithmic = false;  // values that are not above 0 are left out then
  bool from_zero = true;     // else from the least value; a logarithmic one is
};

struct Chart {
  std::string title;
  Axis x, y;
  std::vector<Curve> curves;
};

// Values that are no numbers are left out.
Drawing draw(const Chart& chart);

// Of values that are sorted by q: which part of them is at most so large.
Curve distribution(std::string name, const std::vector<double>& quantiles, std::size_t color);

}  // namespace troupe::launch::plot
