#include "launch/plot/drawing.hpp"

#include <cstdio>

namespace troupe::launch::plot {
namespace {

std::string place(double pixels) {  // a tenth of one is finer than anybody sees
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", pixels);
  return text;
}

std::string attribute(std::string_view name, std::string_view value) {
  return " " + std::string(name) + "=\"" + std::string(value) + "\"";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string text_at(double x, double y, std::string_view text, std::string_view anchor,
                    std::string_view style) {
  return "<text" + attribute("x", place(x)) + attribute("y", place(y)) +
         (anchor == "start" ? "" : attribute("text-anchor", anchor)) +
         (style.empty() ? "" : attribute("class", style)) + ">" + escaped(text) + "</text>\n";
}

std::string upright_text_at(double x, double y, std::string_view text) {
  return "<g transform=\"translate(" + place(x) + " " + place(y) + ") rotate(-90)\">" +
         text_at(0, 0, text, "middle") + "</g>\n";
}

std::string moved(double x, double y, std::string_view elements) {
  return "<g transform=\"translate(" + place(x) + " " + place(y) + ")\">\n" + std::string(elements) +
         "</g>\n";
}

std::string line_between(double x1, double y1, double x2, double y2, std::string_view style) {
  return "<line" + attribute("x1", place(x1)) + attribute("y1", place(y1)) + attribute("x2", place(x2)) +
         attribute("y2", place(y2)) + attribute("class", style) + "/>\n";
}

std::string box(double x, double y, double width, double height, std::string_view style,
                std::string_view hint) {
  const std::string open = "<rect" + attribute("x", place(x)) + attribute("y", place(y)) +
                           attribute("width", place(width)) + attribute("height", place(height)) +
                           attribute("class", style);
  return hint.empty() ? open + "/>\n" : open + "><title>" + escaped(hint) + "</title></rect>\n";
}

}  // namespace troupe::launch::plot
