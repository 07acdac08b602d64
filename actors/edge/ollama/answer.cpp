#include "actors/edge/ollama/answer.hpp"

#include <ctime>
#include <optional>

#include "actors/edge/collected_choice.hpp"
#include "actors/edge/logprobs.hpp"
#include "actors/edge/tool_arguments.hpp"

namespace troupe::actors::edge::ollama {
namespace {

using runtime::ChoiceEnd;

Json error_object(const Refusal& refusal) {
  return {{"error", refusal.message}};
}

Json call_object(const runtime::ToolCallDelta& call) {
  return {{"id", call.id},
          {"function",
           {{"index", call.index}, {"name", call.name}, {"arguments", arguments_object(call.arguments)}}}};
}

const char* done_reason(ChoiceEnd how, bool unload) {
  if (how == ChoiceEnd::none) return unload ? "unload" : "load";  // nothing was asked for
  return how == ChoiceEnd::length ? "length" : "stop";            // Ollama has no word for a filter
}

std::int64_t nanoseconds(Duration time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

class OllamaAnswer final : public Answer {
 public:
  OllamaAnswer(const AnswerIdentity& identity, AnswerOptions options, std::function<TimePoint()> clock)
      : options_(std::move(options)),
        created_at_(time_text(identity.created)),
        clock_(std::move(clock)),
        arrival_(clock_()) {}

  std::string_view stream_type() const override { return "application/x-ndjson"; }

  void begin(const runtime::Usage&, std::string&) override {}

  // Clients read every line as an object.
  void still_waiting(std::string& out) override { tell(object({}), out); }

  void delta(const runtime::Delta& delta, std::string& out) override {
    CHECK(finish_ == ChoiceEnd::none, "a choice ends once");
    note_first();
    CollectedChoice news;
    news.content = delta.content;
    news.reasoning = delta.reasoning;
    news.logprobs = delta.logprobs;
    for (const runtime::ToolCallDelta& piece : delta.tool_calls) {
      if (call_ && call_->index != piece.index) finish_call(news);
      if (!call_) call_.emplace().index = piece.index;
      call_->id += piece.id;
      call_->name += piece.name;
      call_->arguments += piece.arguments;
    }
    if (call_ && ends_in_cut_call(delta.in_call, {&*call_, 1})) call_.reset();
    if (delta.ends() && call_) finish_call(news);
    finish_ = delta.finish;
    const bool text = !news.content.empty() || !news.reasoning.empty();
    if (text || !news.tool_calls.empty() || !news.logprobs.empty()) tell(object(news), out);
  }

  void end(const runtime::Usage& usage, std::string& out) override {
    tell(last_object({}, finish_, usage), out);
  }

  void failure(const Refusal& refusal, std::string& out) override { tell(error_object(refusal), out); }

  void collect(runtime::Delta delta) override {
    note_first();
    collected_.add(std::move(delta));
  }

  Json whole(const runtime::Usage& usage) override {
    if (ends_in_cut_call(collected_.in_call, collected_.tool_calls)) collected_.tool_calls.pop_back();
    return last_object(collected_, collected_.finish, usage);
  }

 private:
  static void tell(const Json& object, std::string& out) { out.append(dump(object)).append("\n"); }

  void note_first() {
    if (!first_) first_ = clock_();
  }

  // The open call has come to its end.
  void finish_call(CollectedChoice& news) {
    news.tool_calls.push_back(std::move(*call_));
    call_.reset();
  }

  Json object(const CollectedChoice& said) const {
    Json object = {{"model", options_.model}, {"created_at", created_at_}};
    Json& inside = options_.chat ? object["message"] : object;
    if (options_.chat) inside["role"] = "assistant";
    inside[options_.chat ? "content" : "response"] = said.content;
    if (!said.reasoning.empty()) inside["thinking"] = said.reasoning;
    for (const runtime::ToolCallDelta& call : said.tool_calls)
      inside["tool_calls"].push_back(call_object(call));
    if (!said.logprobs.empty()) object["logprobs"] = logprob_entries(said.logprobs);
    object["done"] = false;
    return object;
  }

  Json last_object(const CollectedChoice& said, ChoiceEnd how, const runtime::Usage& usage) {
    Json last = object(said);
    last["done"] = true;
    last["done_reason"] = done_reason(how, options_.unload);
    note_first();
    const TimePoint end = clock_();
    last["total_duration"] = nanoseconds(end - arrival_);
    last["load_duration"] = 0;  // the model was there
    last["prompt_eval_count"] = usage.prompt_tokens;
    last["prompt_eval_duration"] = nanoseconds(*first_ - arrival_);
    last["eval_count"] = usage.completion_tokens;
    last["eval_duration"] = nanoseconds(end - *first_);
    return last;
  }

  const AnswerOptions options_;
  const std::string created_at_;
  const std::function<TimePoint()> clock_;
  const TimePoint arrival_;
  std::optional<TimePoint> first_;  // delta

  // Of a stream.
  std::optional<runtime::ToolCallDelta> call_;  // the one that is written, so far
  ChoiceEnd finish_ = ChoiceEnd::none;

  CollectedChoice collected_;  // of a whole answer
};

}  // namespace

std::unique_ptr<Answer> make_answer(const AnswerIdentity& identity, AnswerOptions options,
                                    std::function<TimePoint()> clock) {
  return std::make_unique<OllamaAnswer>(identity, std::move(options), std::move(clock));
}

Reply refusal_reply(const Refusal& refusal, const std::string&) {
  return refusal_reply_of(refusal, error_object(refusal));
}

std::string time_text(std::int64_t unix_seconds) {
  const std::time_t seconds = unix_seconds;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[sizeof "2023-11-14T22:13:20Z"];
  CHECK(std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0, "a year of four digits");
  return text;
}

}  // namespace troupe::actors::edge::ollama
