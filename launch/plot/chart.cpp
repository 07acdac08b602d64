#include "launch/plot/chart.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe::launch::plot {
namespace {

constexpr double width = 460, left = 62, right = 14, top = 26, plot_height = 220, below = 44;
constexpr double legend_line = 18, legend_mark = 22, letter = 6.6;  // of the page's text, on average

// A range of values on so many pixels.
class Scale {
 public:
  Scale(const Axis& axis, double least, double most, double from, double to)
      : logarithmic_(axis.logarithmic), from_(from), to_(to) {
    if (!(most >= least)) least = most = 1;  // there are no values
    if (!logarithmic_ && axis.from_zero) least = std::min(least, 0.0);
    if (logarithmic_ && most < least * 1.5) {
      least /= 1.5;
      most *= 1.5;
    } else if (!logarithmic_ && most == least) {
      most = least + 1;
    }
    least_ = least;
    most_ = most;
  }

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic_ || value > 0); }
  double place(double value) const {
    const double part = logarithmic_ ? std::log(value / least_) / std::log(most_ / least_)
                                     : (value - least_) / (most_ - least_);
    return from_ + part * (to_ - from_);
  }

  // Of few digits.
  std::vector<double> ticks() const {
    std::vector<double> found;
    if (!logarithmic_) {
      const double rough = (most_ - least_) / 5, unit = std::pow(10, std::floor(std::log10(rough)));
      const double step = unit * (rough / unit < 1.5   ? 1
                                  : rough / unit < 3.5 ? 2
                                  : rough / unit < 7.5 ? 5
                                                       : 10);
      for (double i = std::ceil(least_ / step - 1e-9); i * step <= most_ * (1 + 1e-9); ++i)
        found.push_back(i * step + 0.0);  // which has no sign
      return found;
    }
    const double decades = std::log10(most_ / least_);
    for (double decade = std::pow(10, std::floor(std::log10(least_))); decade <= most_; decade *= 10)
      for (double times : {1.0, 2.0, 3.0, 5.0, 7.0}) {
        const bool fits = times == 1 || decades < 1 || (decades < 2.5 && (times == 2 || times == 5));
        if (fits && decade * times >= least_ * 0.999 && decade * times <= most_ * 1.001)
          found.push_back(decade * times);
      }
    return found;
  }

 private:
  bool logarithmic_;
  double from_, to_, least_ = 0, most_ = 0;
};

Scale scale_of(const Chart& chart, const Axis& axis, double std::pair<double, double>::*value, double from,
               double to) {
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (const Curve& curve : chart.curves)
    for (const auto& point : curve.points) {
      if (!std::isfinite(point.*value) || (axis.logarithmic && !(point.*value > 0))) continue;
      least = std::min(least, point.*value);
      most = std::max(most, point.*value);
    }
  return {axis, least, most, from, to};
}

std::string style_of(const Curve& curve) {
  return "line line" + std::to_string(curve.color % colors) + (curve.dashed ? " dashed" : "");
}

std::string tick_text(double value) {
  return std::abs(value) >= 1000 ? number(value / 1000) + "k" : number(value);
}

// Names beside their marks, in as many lines as they need; says where the next thing begins.
double draw_legend(const Chart& chart, std::string& out) {
  double x = left, y = top + 8;
  for (const Curve& curve : chart.curves) {
    if (curve.name.empty()) continue;
    const double takes = legend_mark + letter * double(curve.name.size()) + 14;
    if (x > left && x + takes > width) {
      x = left;
      y += legend_line;
    }
    out += line_between(x, y - 4, x + legend_mark - 6, y - 4, style_of(curve));
    out += text_at(x + legend_mark, y, curve.name);
    x += takes;
  }
  return y + 10;
}

void draw_axes(const Chart& chart, const Scale& x, const Scale& y, double begin, std::string& out) {
  const double end = begin + plot_height;
  for (double tick : x.ticks()) {
    out += line_between(x.place(tick), begin, x.place(tick), end, "grid");
    out += text_at(x.place(tick), end + 16, tick_text(tick), "middle");
  }
  for (double tick : y.ticks()) {
    out += line_between(left, y.place(tick), width - right, y.place(tick), "grid");
    out += text_at(left - 6, y.place(tick) + 4, tick_text(tick), "end");
  }
  out += box(left, begin, width - right - left, plot_height, "frame");
  out += text_at((left + width - right) / 2, end + 34, chart.x.label, "middle");
  out += upright_text_at(14, (begin + end) / 2, chart.y.label);
}

void draw_curve(const Curve& curve, const Scale& x, const Scale& y, std::string& out) {
  std::string path, dots;
  for (const auto& [at, value] : curve.points) {
    if (!x.shows(at) || !y.shows(value)) continue;
    char point[48];
    std::snprintf(point, sizeof point, "%.1f,%.1f", x.place(at), y.place(value));
    path += (path.empty() ? "" : " ") + std::string(point);
    if (!curve.marked) continue;
    std::snprintf(point, sizeof point, "cx=\"%.1f\" cy=\"%.1f\"", x.place(at), y.place(value));
    dots += "<circle " + std::string(point) + " r=\"3\" class=\"fill" + std::to_string(curve.color % colors) +
            "\"><title>" + escaped(curve.name + " " + number(at) + ": " + number(value)) +
            "</title></circle>\n";
  }
  out += "<polyline class=\"" + style_of(curve) + "\" points=\"" + path + "\"/>\n" + dots;
}

}  // namespace

Drawing draw(const Chart& chart) {
  Drawing drawing{width, 0, text_at(left, 14, chart.title, "start", "title")};
  const double begin = draw_legend(chart, drawing.elements);
  const Scale x = scale_of(chart, chart.x, &std::pair<double, double>::first, left, width - right);
  const Scale y = scale_of(chart, chart.y, &std::pair<double, double>::second, begin + plot_height, begin);
  draw_axes(chart, x, y, begin, drawing.elements);
  for (const Curve& curve : chart.curves) draw_curve(curve, x, y, drawing.elements);
  drawing.height = begin + plot_height + below;
  return drawing;
}

Curve distribution(std::string name, const std::vector<double>& quantiles, std::size_t color) {
  Curve curve{std::move(name), {}, color};
  for (std::size_t i = 0; i < quantiles.size(); ++i)
    curve.points.emplace_back(quantiles[i],
                              100 * double(i) / double(std::max<std::size_t>(1, quantiles.size() - 1)));
  return curve;
}

}  // namespace troupe::launch::plot
