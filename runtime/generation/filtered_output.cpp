#include "runtime/generation/filtered_output.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace troupe::runtime {

void FilteredOutput::push(const model::ParsedOutput& told) {
  if (!told.reasoning.empty()) {
    enter(Part::thoughts);
    take_text(told.reasoning);
  }
  if (!told.content.empty()) {
    enter(Part::content);
    take_text(told.content);
  }
  for (const model::ToolCallPiece& piece : told.tool_calls) {
    if (piece.begins) {
      leave();
      enter(Part::arguments);
      if (stopped_) return;
      call_ = piece.index;
      ready_.tool_calls.push_back({piece.index, true, piece.name, "", piece.id});
    }
    take_text(piece.arguments);
  }
}

void FilteredOutput::finish() {
  leave();
}

// Arguments are not masked: a call with others than the model's would do something else.
void FilteredOutput::enter(Part part) {
  if (text_ && part_ == part) return;
  leave();
  if (stopped_) return;
  part_ = part;
  text_ = filter_->begin(part != Part::arguments);
}

void FilteredOutput::leave() {
  if (!text_) return;
  tell(text_->finish());
  text_.reset();
}

void FilteredOutput::take_text(std::string_view text) {
  if (!text_ || text.empty()) return;
  tell(text_->push(text));
  if (stopped_) text_.reset();
}

void FilteredOutput::tell(const std::string& text) {
  std::ranges::move(text_->take_matches(), std::back_inserter(matches_));
  stopped_ = text_->stopped();
  if (text.empty()) return;
  if (part_ == Part::thoughts) {
    ready_.reasoning += text;
  } else if (part_ == Part::content) {
    ready_.content += text;
  } else {
    if (ready_.tool_calls.empty()) ready_.tool_calls.push_back({call_, false, "", "", ""});
    ready_.tool_calls.back().arguments += text;
  }
}

model::ParsedOutput FilteredOutput::take() {
  return std::exchange(ready_, {});
}

std::vector<FilterMatch> FilteredOutput::take_matches() {
  return std::exchange(matches_, {});
}

}  // namespace troupe::runtime
