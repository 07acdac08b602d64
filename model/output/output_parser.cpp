#include "model/output/output_parser.hpp"

#include <algorithm>
#include <utility>

#include "model/output/dsml_calls.hpp"
#include "model/output/hermes_calls.hpp"
#include "model/output/kimi_calls.hpp"
#include "model/output/llama_calls.hpp"
#include "model/output/marked_calls.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view think = OutputParser::begin_thoughts, end_think = OutputParser::end_thoughts;
// DeepSeek's own decoder takes the empty line before a block for a part of it; Qwen's templates put a line end there.
constexpr std::string_view dsml_paragraph = "\n\n<｜DSML｜function_calls>";
constexpr std::string_view hermes_line = "\n<tool_call>", hermes_paragraph = "\n\n<tool_call>";
static_assert(dsml_paragraph.ends_with(DsmlCalls::opening));
static_assert(hermes_line.ends_with(HermesCalls::opening) && hermes_paragraph.ends_with(hermes_line));

bool is_deepseeks(ToolCallSyntax syntax) {
  return syntax <= ToolCallSyntax::dsml;
}
static_assert(ToolCallSyntax::fenced < ToolCallSyntax::dsml && ToolCallSyntax::bare < ToolCallSyntax::dsml);

// Stands in the tags of a syntax and, unlike their "<", in hardly any text.
std::string_view sign_of_tags(ToolCallSyntax syntax) {
  if (syntax == ToolCallSyntax::llama || syntax == ToolCallSyntax::kimi) return "<|";
  return syntax == ToolCallSyntax::hermes ? "<tool_" : "｜";
}

bool may_become(std::string_view text, std::string_view tag) {
  return text.size() < tag.size() && tag.starts_with(text);
}

}  // namespace

std::span<const std::string_view> OutputParser::openings_of_calls(ToolCallSyntax syntax) {
  static constexpr std::array deepseeks{MarkedCalls::opening, DsmlCalls::opening};
  static constexpr std::array hermes{HermesCalls::opening}, kimi{KimiCalls::opening};
  static_assert(deepseeks.size() <= max_openings);
  if (is_deepseeks(syntax)) return deepseeks;
  if (syntax == ToolCallSyntax::llama) return {};
  return syntax == ToolCallSyntax::hermes ? hermes : kimi;
}

std::span<const std::string_view> OutputParser::tokens_of_calls(ToolCallSyntax syntax) {
  static constexpr std::array deepseeks{MarkedCalls::opening, DsmlCalls::token};
  return is_deepseeks(syntax) ? std::span<const std::string_view>(deepseeks) : openings_of_calls(syntax);
}

OutputParser::OutputParser(OutputFormat format) : format_(format), state_(State::opening) {
  if (!format.reasoning) begin(State::content);
}

bool OutputParser::is_marker(std::string_view token) const {
  if (format_.reasoning && (token == think || token == end_think)) return true;
  if (!format_.tool_calls) return false;
  if (format_.syntax == ToolCallSyntax::llama) return token == LlamaCalls::tag;
  if (format_.syntax == ToolCallSyntax::hermes)
    return token == HermesCalls::opening || token == HermesCalls::closing;
  if (format_.syntax == ToolCallSyntax::kimi) return KimiCalls::is_marker(token);
  return MarkedCalls::is_marker(token) || token.find(DsmlCalls::token) != token.npos;
}

// A part of the output begins. Where an answer may be a call as it stands, the form of calls reads it.
void OutputParser::begin(State state) {
  state_ = state;
  if (state != State::content || !format_.tool_calls || format_.syntax != ToolCallSyntax::llama) return;
  form_ = std::make_unique<LlamaCalls>();
  state_ = State::calls;
}

std::span<const Marker> OutputParser::markers() const {
  static constexpr std::array reasoning{Marker{end_think, int(State::content)}};
  static constexpr std::array deepseeks{Marker{MarkedCalls::opening, int(State::calls)},
                                        Marker{DsmlCalls::opening, int(State::calls)},
                                        Marker{dsml_paragraph, int(State::calls)}};
  static constexpr std::array hermes{Marker{HermesCalls::opening, int(State::calls)},
                                     Marker{hermes_line, int(State::calls)},
                                     Marker{hermes_paragraph, int(State::calls)}};
  static constexpr std::array kimi{Marker{KimiCalls::opening, int(State::calls)}};
  if (state_ == State::calls) return form_->markers();
  if (state_ == State::reasoning) return reasoning;
  if (!format_.tool_calls) return {};
  if (is_deepseeks(format_.syntax)) return deepseeks;
  return format_.syntax == ToolCallSyntax::kimi ? std::span<const Marker>(kimi) : hermes;
}

// How the output begins. False: that is not certain yet.
bool OutputParser::open(std::string_view& rest) {
  const auto blank = std::min(rest.find_first_not_of(blanks), rest.size());
  const std::string_view behind = rest.substr(blank);
  const bool waits = blank <= max_leading_blanks;
  if (waits && (may_become(behind, think) || may_become(behind, end_think))) return false;
  const State begins = begun();
  if (waits && behind.starts_with(think)) {  // also where the prompt has opened the thoughts already
    begin(State::reasoning);
    rest = behind.substr(think.size());
    return true;
  }
  begin(begins);
  if (waits && begins == State::content && behind.starts_with(end_think)) {
    rest = behind.substr(end_think.size());  // of thoughts that the prompt has closed
  }
  return true;
}

// Takes text up to the next marker, and the marker. False: what is left waits.
bool OutputParser::step(std::string_view& rest) {
  if (state_ == State::opening) return open(rest);
  const std::size_t counting = markers().size();
  const auto [text, marker] = scan_markers(rest, markers());
  const std::size_t taken = tell(rest.substr(0, text));
  rest.remove_prefix(taken);
  if (taken < text || markers().size() != counting) return true;  // other markers count
  if (!marker) return false;
  rest.remove_prefix(marker->text.size());
  enter(*marker);
  return true;
}

// How much of it: see ToolCallForm::text.
std::size_t OutputParser::tell(std::string_view text) {
  if (state_ != State::calls) {
    (state_ == State::reasoning ? ready_.reasoning : ready_.content) += text;
    return text.size();
  }
  const std::size_t taken = text.empty() ? 0 : form_->text(text, calls_);
  take_content_of_calls();
  return taken;
}

void OutputParser::take_content_of_calls() {
  ready_.content += form_->take_content();
}

void OutputParser::enter(const Marker& marker) {
  if (state_ == State::calls) {
    form_->marker(marker, calls_);
    take_content_of_calls();
    if (form_->over()) state_ = State::content;
    return;
  }
  begin(State(marker.next));
  if (marker.next != int(State::calls)) return;
  if (format_.syntax == ToolCallSyntax::hermes)
    form_ = std::make_unique<HermesCalls>(marker.text);
  else if (format_.syntax == ToolCallSyntax::kimi)
    form_ = std::make_unique<KimiCalls>();
  else if (marker.text == MarkedCalls::opening)
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
  if (state_ == State::opening) begin(begun());
  const std::string held = std::exchange(held_, {});
  const bool in_call = state_ == State::calls && form_->in_call();
  const bool within_tag = in_call || held.find(sign_of_tags(format_.syntax)) != held.npos;
  std::string_view rest = held;
  if (cut_off && within_tag) rest = {};
  while (!rest.empty()) rest.remove_prefix(tell(rest));
  if (state_ != State::calls) return;
  form_->finish(cut_off);
  take_content_of_calls();
}

ParsedOutput OutputParser::take() {
  ParsedOutput out = std::exchange(ready_, {});
  out.tool_calls = calls_.take();
  return out;
}

}  // namespace troupe::model
