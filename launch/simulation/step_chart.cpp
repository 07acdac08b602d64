#include "launch/simulation/step_chart.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <tuple>

namespace troupe::launch::simulation {
namespace {

using runtime::lab::ShownPart;
using runtime::lab::ShownStep;

constexpr double width = 1416, left = 92, right = 16;
constexpr double legend_y = 36, tokens_y = 52, tokens_height = 70, rows_y = tokens_y + tokens_height + 12;
constexpr double row_height = 14, bar_height = 11, below = 40;
constexpr const char* prompt_style = "fill1";
constexpr const char* decoding_style = "fill0";

struct Row {  // of a sequence
  SequenceId sequence = 0;
  std::size_t first = 0, last = 0;  // steps in which it was seen
  std::size_t preempted = 0, prompts = 0, parts = 0;
};

// Those that did most, in the order in which they came.
std::vector<Row> rows_of(const std::vector<ShownStep>& steps, std::size_t& left_out) {
  std::map<SequenceId, Row> all;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto seen = [&](SequenceId id) -> Row& {
      Row& row = all.try_emplace(id, Row{id, i}).first->second;
      row.last = i;
      return row;
    };
    for (SequenceId id : steps[i].preempted) ++seen(id).preempted;
    for (const ShownPart& part : steps[i].parts) {
      Row& row = seen(part.sequence);
      ++row.parts;
      row.prompts += part.prompt;
    }
  }
  std::vector<Row> rows;
  for (const auto& [id, row] : all) rows.push_back(row);
  std::ranges::sort(rows, [](const Row& a, const Row& b) {
    return std::tuple(b.preempted, b.prompts, b.parts, a.sequence) <
           std::tuple(a.preempted, a.prompts, a.parts, b.sequence);
  });
  left_out = rows.size() - std::min(rows.size(), most_shown_sequences);
  rows.resize(rows.size() - left_out);
  std::ranges::sort(rows, {}, [](const Row& row) { return std::pair(row.first, row.sequence); });
  return rows;
}

// Times on pixels.
class Ruler {
 public:
  explicit Ruler(const std::vector<ShownStep>& steps)
      : begin_(steps.front().begins), seconds_(std::max(steps.back().ends - begin_, 1e-9)) {}
  double place(double seconds) const { return left + (seconds - begin_) / seconds_ * (width - left - right); }
  double seconds() const { return seconds_; }

 private:
  double begin_, seconds_;
};

std::int32_t rows_of(const ShownStep& step, bool prompt) {
  std::int32_t rows = 0;
  for (const ShownPart& part : step.parts) rows += part.prompt == prompt ? part.rows : 0;
  return rows;
}

std::string hint_of(const ShownStep& step, const std::string& what) {
  return "step " + std::to_string(step.step) + ", " + plot::number((step.ends - step.begins) * 1000) +
         " ms: " + what;
}

// How many tokens each step has: of answers below, of prompts on top of them.
void draw_tokens(const std::vector<ShownStep>& steps, const Ruler& ruler, std::string& out) {
  std::int32_t most = 1;
  for (const ShownStep& each : steps) most = std::max(most, rows_of(each, true) + rows_of(each, false));
  const double bottom = tokens_y + tokens_height;
  out += plot::box(left, tokens_y, width - left - right, tokens_height, "frame");
  out += plot::text_at(left - 6, tokens_y + 9, std::to_string(most), "end");
  out += plot::text_at(left - 6, bottom, "0", "end");
  out += plot::text_at(left - 6, bottom - tokens_height / 2 + 4, "tokens", "end");
  for (const ShownStep& each : steps) {
    const double x = ruler.place(each.begins), bar = std::max(0.5, ruler.place(each.ends) - x - 0.6);
    double y = bottom;
    for (const bool prompt : {false, true}) {
      const std::int32_t rows = rows_of(each, prompt);
      const double height = tokens_height * rows / most;
      y -= height;
      if (rows > 0)
        out += plot::box(x, y, bar, height, prompt ? prompt_style : decoding_style,
                         hint_of(each, std::to_string(rows) + (prompt ? " of prompts" : " of answers")));
    }
  }
}

void draw_row(const Row& row, double y, const std::vector<ShownStep>& steps, const Ruler& ruler,
              std::string& out) {
  out +=
      plot::text_at(left - 6, y + bar_height - 1, "request " + std::to_string(row.sequence), "end", "small");
  out += plot::line_between(ruler.place(steps[row.first].begins), y + bar_height / 2,
                            ruler.place(steps[row.last].ends), y + bar_height / 2, "wait");
  for (const ShownStep& step : steps) {
    const double x = ruler.place(step.begins), end = ruler.place(step.ends);
    const auto part = std::ranges::find(step.parts, row.sequence, &ShownPart::sequence);
    if (part != step.parts.end()) {
      const std::string rows = std::to_string(part->rows);
      // Of one token there is nothing to tell, and most have one.
      const std::string hint =
          part->rows == 1 ? "" : hint_of(step, rows + (part->prompt ? " of the prompt" : " of the answer"));
      out += plot::box(x, y, std::max(0.5, end - x - 0.6), bar_height,
                       part->prompt ? prompt_style : decoding_style, hint);
      if (part->prompt && end - x > 7 * double(rows.size()))
        out += plot::text_at((x + end) / 2, y + bar_height - 2, rows, "middle", "small inside");
    }
    if (!std::ranges::count(step.preempted, row.sequence)) continue;
    for (const double slope : {-1.0, 1.0})
      out += plot::line_between(x - 4, y + bar_height / 2 - 5 * slope, x + 4, y + bar_height / 2 + 5 * slope,
                                "alarm");
  }
}

void draw_legend(std::size_t left_out, std::string& out) {
  double x = left;
  const auto name = [&](const std::string& text) {
    out += plot::text_at(x + 18, legend_y + 1, text);
    x += 34 + 6.6 * double(text.size());
  };
  for (const char* style : {prompt_style, decoding_style}) {
    out += plot::box(x, legend_y - 8, 13, 10, style);
    name(style == prompt_style ? "of a prompt, or computed again (with how many tokens)" : "of an answer");
  }
  out += plot::line_between(x, legend_y - 3, x + 13, legend_y - 3, "wait");
  name("waits");
  for (const double slope : {-1.0, 1.0})
    out += plot::line_between(x + 3, legend_y - 3 - 5 * slope, x + 11, legend_y - 3 + 5 * slope, "alarm");
  name("loses its blocks");
  if (left_out > 0)
    out += plot::text_at(x, legend_y + 1, "and " + std::to_string(left_out) + " requests more");
}

}  // namespace

plot::Drawing draw_steps(const std::string& title, const std::vector<ShownStep>& steps) {
  plot::Drawing drawing{width, legend_y, plot::text_at(left, 16, title, "start", "title")};
  if (steps.empty()) return drawing;
  std::size_t left_out = 0;
  const std::vector<Row> rows = rows_of(steps, left_out);
  const Ruler ruler(steps);
  draw_legend(left_out, drawing.elements);
  draw_tokens(steps, ruler, drawing.elements);
  double y = rows_y;
  for (const Row& row : rows) {
    draw_row(row, y, steps, ruler, drawing.elements);
    y += row_height;
  }
  for (int i = 0; i <= 8; ++i) {
    const double seconds = ruler.seconds() * i / 8;
    drawing.elements += plot::text_at(ruler.place(steps.front().begins + seconds), y + 18,
                                      plot::number(seconds * 1000), "middle");
  }
  char label[64];
  std::snprintf(label, sizeof label, "ms since %.3f s", steps.front().begins);
  drawing.elements += plot::text_at((left + width - right) / 2, y + 34, label, "middle");
  drawing.height = y + below;
  return drawing;
}

}  // namespace troupe::launch::simulation
