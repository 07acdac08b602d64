#include "model/output/output_parser.hpp"

#include <algorithm>
#include <utility>

#include "model/output/dsml_calls.hpp"
#include "model/output/marked_calls.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view think = OutputParser::begin_thoughts, end_think = OutputParser::end_thoughts;
// DeepSeek's own decoder takes the empty line before a block for a part of it.
constexpr std::string_view dsml_paragraph = "\n\n<｜DSML｜function_calls>";
static_assert(dsml_paragraph.ends_with(DsmlCalls::opening));
// Stands in the tokens of control and, unlike their "<", in hardly any text.
constexpr std::string_view bar = "｜";

bool may_become(std::string_view text, std::string_view tag) {
  return text.size() < tag.size() && tag.starts_with(text);
}

}  // namespace

const std::array<std::string_view, OutputParser::forms_of_calls> OutputParser::tokens_of_tools{
    MarkedCalls::opening, DsmlCalls::token};
const std::array<std::string_view, OutputParser::forms_of_calls> OutputParser::openings_of_calls{
    MarkedCalls::opening, DsmlCalls::opening};

OutputParser::OutputParser(OutputFormat format)
    : format_(format), state_(format.reasoning ? State::opening : State::content) {}

bool OutputParser::is_marker(std::string_view token) const {
  if (format_.reasoning && (token == think || token == end_think)) return true;
  return format_.tool_calls && (MarkedCalls::is_marker(token) || token.find(DsmlCalls::token) != token.npos);
}

std::span<const Marker> OutputParser::markers() const {
  static constexpr std::array reasoning{Marker{end_think, int(State::content)}};
  static constexpr std::array content{Marker{MarkedCalls::opening, int(State::calls)},
                                      Marker{DsmlCalls::opening, int(State::calls)},
                                      Marker{dsml_paragraph, int(State::calls)}};
  if (state_ == State::calls) return form_->markers();
  if (state_ == State::reasoning) return reasoning;
  return std::span(content).first(format_.tool_calls ? content.size() : 0);
}

// How the output begins. False: that is not certain yet.
bool OutputParser::open(std::string_view& rest) {
  const auto blank = std::min(rest.find_first_not_of(blanks), rest.size());
  const std::string_view behind = rest.substr(blank);
  const bool waits = blank <= max_leading_blanks;
  if (waits && (may_become(behind, think) || may_become(behind, end_think))) return false;
  state_ = begun();
  if (waits && behind.starts_with(think)) {  // also where the prompt has opened the thoughts already
    state_ = State::reasoning;
    rest = behind.substr(think.size());
  } else if (waits && state_ == State::content && behind.starts_with(end_think)) {
    rest = behind.substr(end_think.size());  // of thoughts that the prompt has closed
  }
  return true;
}

// Takes text up to the next marker, and the marker. False: what is left waits.
bool OutputParser::step(std::string_view& rest) {
  if (state_ == State::opening) return open(rest);
  const auto [text, marker] = scan_markers(rest, markers());
  tell(rest.substr(0, text));
  rest.remove_prefix(text);
  if (!marker) return false;
  rest.remove_prefix(marker->text.size());
  enter(*marker);
  return true;
}

void OutputParser::tell(std::string_view text) {
  if (state_ == State::calls) return form_->text(text, calls_);
  (state_ == State::reasoning ? ready_.reasoning : ready_.content) += text;
}

void OutputParser::enter(const Marker& marker) {
  if (state_ == State::calls) {
    form_->marker(marker, calls_);
    if (form_->over()) state_ = State::content;
    return;
  }
  state_ = State(marker.next);
  if (state_ != State::calls) return;
  if (marker.text == MarkedCalls::opening)
    form_ = std::make_unique<MarkedCalls>();
  else
    form_ = std::make_unique<DsmlCalls>();
}

void OutputParser::push(std::string_view text) {
  held_ += text;
  std::string_view rest = held_;
  while (!over() && step(rest)) {
  }
  held_ = over() ? "" : std::string(rest);
}

void OutputParser::finish(bool cut_off) {
  if (state_ == State::opening) state_ = begun();
  const std::string rest = std::exchange(held_, {});
  const bool within_tag = state_ == State::calls || rest.find(bar) != rest.npos;
  if (!cut_off || !within_tag) tell(rest);
}

ParsedOutput OutputParser::take() {
  ParsedOutput out = std::exchange(ready_, {});
  out.tool_calls = calls_.take();
  return out;
}

}  // namespace troupe::model
