#include "launch/plot/page.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace troupe::launch::plot {
namespace {

constexpr std::array<const char*, colors> light{"#1b6ec2", "#d2570a", "#1f8a45", "#c02a4c",
                                                "#7748b5", "#80582f", "#c63d98", "#55636c",
                                                "#8a8a00", "#0a8c9c", "#3238a8", "#a87600"};
constexpr std::array<const char*, colors> dark{"#6cb2ff", "#ff9a57", "#5fd08a", "#ff7a96",
                                               "#b795f2", "#c79b6d", "#f58cd0", "#a7b6c0",
                                               "#d2d252", "#58d3e2", "#9095ff", "#e6b84a"};

std::string colors_of(const std::array<const char*, colors>& shades, const char* ink, const char* paper,
                      const char* grid, const char* alarm) {
  std::string css = "text { fill: " + std::string(ink) + " } .paper { fill: " + paper +
                    " } .grid { stroke: " + grid + " } .frame, .wait { stroke: " + ink +
                    " } .alarm { stroke: " + alarm + " }\n";
  for (std::size_t i = 0; i < colors; ++i) {
    const std::string n = std::to_string(i);
    css += ".line" + n + " { stroke: " + shades[i] + " } .fill" + n + " { fill: " + shades[i] + " }\n";
  }
  return css;
}

std::string drawn_style() {
  return "text { font: 12px system-ui, sans-serif } .title { font-size: 14px; font-weight: 600 } .heading { font-size: 17px; "
         "font-weight: 600 } .small { font-size: 10px } .inside { fill: #fff }\n"
         ".line { fill: none; stroke-width: 1.8; stroke-linejoin: round } .dashed { stroke-dasharray: 5 3 }\n"
         ".grid { stroke-width: 0.7 } .frame { fill: none; stroke-width: 0.8; stroke-opacity: 0.5 }\n"
         ".wait { stroke-width: 0.8; stroke-opacity: 0.35 } .alarm { stroke-width: 2 }\n" +
         colors_of(light, "#1c2126", "#ffffff", "#d9dde1", "#d00000") +
         "@media (prefers-color-scheme: dark) {\n" +
         colors_of(dark, "#e4e8ec", "#15191d", "#363d44", "#ff5c5c") + ".inside { fill: #10141a } }\n";
}

std::string size_of(double width, double height) {
  char text[128];
  std::snprintf(text, sizeof text, "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\"", width, height,
                width, height);
  return text;
}

}  // namespace

std::string html_of(const Page& page) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>" + escaped(page.name) +
      "</title>\n<style>\n:root { color-scheme: light dark }\n"
      "body { font-family: system-ui, sans-serif; margin: 20px; color: #1c2126; background: #fff }\n"
      "h1 { font-size: 18px } .row { display: flex; flex-wrap: wrap; gap: 18px; margin-bottom: 22px }\n"
      "svg { max-width: 100%; height: auto } pre { overflow-x: auto; font-size: 12px }\n" +
      drawn_style() +
      "@media (prefers-color-scheme: dark) { body { color: #e4e8ec; background: #15191d } }\n"
      "</style>\n<h1>" +
      escaped(page.heading) + "</h1>\n";
  for (const auto& row : page.rows) {
    html += "<div class=\"row\">\n";
    for (const Drawing& each : row)
      html += "<svg " + size_of(each.width, each.height) + ">\n" + each.elements + "</svg>\n";
    html += "</div>\n";
  }
  if (!page.table.empty()) html += "<pre>" + escaped(page.table) + "</pre>\n";
  return html + "</html>\n";
}

std::string svg_of(const Page& page) {
  constexpr double gap = 18, heading = 40;
  double width = 0, y = heading;
  std::string elements = text_at(gap, 26, page.heading, "start", "heading");
  for (const auto& row : page.rows) {
    double x = gap, tallest = 0;
    for (const Drawing& each : row) {
      elements += moved(x, y, each.elements);
      x += each.width + gap;
      tallest = std::max(tallest, each.height);
    }
    width = std::max(width, x);
    y += tallest + gap;
  }
  return "<svg xmlns=\"http://www.w3.org/2000/svg\" " + size_of(width, y) + ">\n<title>" +
         escaped(page.name) + "</title>\n<style>\n" + drawn_style() + "</style>\n" +
         box(0, 0, width, y, "paper") + elements + "</svg>\n";
}

}  // namespace troupe::launch::plot
