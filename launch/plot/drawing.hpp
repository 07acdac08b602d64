// A picture as elements of SVG, in CSS pixels from its upper left corner, and what they are written with. Colours are classes, of
// which a page has a light and a dark set. Plain functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::launch::plot {

struct Drawing {
  double width = 0, height = 0;
  std::string elements{};
};

constexpr std::size_t colors = 12;  // that tell one thing from another: classes line0, fill0 and so on

std::string escaped(std::string_view text);  // for SVG and HTML
std::string number(double value);            // four digits of it
// anchor: start, middle or end. style: more classes of the page's.
std::string text_at(double x, double y, std::string_view text, std::string_view anchor = "start",
                    std::string_view style = "");
std::string upright_text_at(double x, double y,
                            std::string_view text);  // around its middle, to be read from the right
std::string line_between(double x1, double y1, double x2, double y2, std::string_view style);
// hint: what a pointer over it is told; may be empty.
std::string box(double x, double y, double width, double height, std::string_view style,
                std::string_view hint = "");

std::string moved(double x, double y, std::string_view elements);

}  // namespace troupe::launch::plot
