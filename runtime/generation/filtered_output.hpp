// What the output parser tells, on its way through a filter. It is pushed a character's news at a time, so that it is certain
// in which order the parts of an answer came. One owner.
#pragma once

#include <memory>

#include "model/output/output_parser.hpp"
#include "runtime/generation/output_filter.hpp"

namespace troupe::runtime {

class FilteredOutput {
 public:
  explicit FilteredOutput(std::shared_ptr<const OutputFilter> filter) : filter_(std::move(filter)) {}

  void push(const model::ParsedOutput& told);
  void finish();  // the answer has ended

  model::ParsedOutput take();  // what became certain since the last call
  std::vector<FilterMatch> take_matches();
  bool holds() const { return text_ && text_->holds(); }
  bool stopped() const { return stopped_; }  // nothing more is told
  bool stopped_in_call() const { return stopped_ && part_ == Part::arguments; }

 private:
  enum class Part : std::uint8_t { thoughts, content, arguments };
  void enter(Part part);  // of arguments: of a call that begins
  void leave();
  void take_text(std::string_view text);
  void tell(const std::string& text);

  std::shared_ptr<const OutputFilter> filter_;
  Part part_ = Part::content;
  std::unique_ptr<FilteredText> text_;  // of that part; null: it has not begun
  std::int32_t call_ = 0;               // whose arguments they are
  model::ParsedOutput ready_;
  std::vector<FilterMatch> matches_;
  bool stopped_ = false;
};

}  // namespace troupe::runtime
