// The stream of OpenAI's API: server-sent chunks, in which order, and its end exactly once. One owner.
//
//   data: {chunk}      for each delta that says something
//   data: {usage}      if asked for
//   data: [DONE]
// After a failure: data: {"error": ...}, then data: [DONE].
#pragma once

#include <optional>
#include <vector>

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge::openai {

struct AnswerOptions {
  std::size_t choices = 1;
  bool include_usage = false;           // in a stream: a last chunk says the usage
  bool continuous_usage = false;        // and each chunk the usage so far
  bool include_reasoning = true;        // chat: false drops the thoughts from the answer
  bool return_token_ids = false;        // of the prompt and of what was generated
  bool tokens_as_ids = false;           // logprobs name tokens as "token_id:5"
  bool older_calls = false;             // chat: a call is a "function_call", for a request in those words
  bool named_call = false;              // chat: the request named what is called, which is no reason to stop
  std::int32_t best_of = 1, shown = 1;  // completions: of so many choices of a prompt the best are shown
  bool hide_logprobs = false;           // they serve that choice alone
};

class ChunkedAnswer : public Answer {
 public:
  ChunkedAnswer(AnswerIdentity identity, const AnswerOptions& options);

  // The next chunk, or nothing when the delta says nothing.
  virtual std::optional<Json> chunk(const runtime::Delta& delta) = 0;
  virtual Json usage_chunk(const runtime::Usage& usage) const = 0;  // "choices" is empty

  void begin(const runtime::Usage& usage, std::string& out) final;
  void delta(const runtime::Delta& delta, std::string& out) final;  // after a choice's last it gets no more
  void end(const runtime::Usage& usage, std::string& out) final;    // every choice has had its last delta
  void failure(const Refusal& refusal, std::string& out) final;

 protected:
  // "object" comes second and "choices" fourth, as OpenAI prints them.
  Json object(const char* kind, Json choices) const;
  // vLLM's form: for each token of the prompt an object by token id; null for the first.
  static Json prompt_logprobs_array(const std::vector<runtime::LogprobEntry>& entries);
  std::string name_of(const runtime::LogprobToken& token) const;
  // Also of what the client does not see it gets the ids, if it wants any: as in vLLM they are all that was generated.
  bool tells_ids(const runtime::Delta& delta) const {
    return options_.return_token_ids && !delta.token_ids.empty();
  }
  // What the choice stopped at: a stop string, or one of the request's stop_token_ids. ended: a Delta or CollectedChoice.
  static Json stop_reason(const auto& ended) {
    return ended.stop_token ? Json(*ended.stop_token) : text_or_null(ended.stop_reason);
  }
  const AnswerOptions& options() const { return options_; }

 private:
  void done(std::string& out);

  AnswerIdentity identity_;
  AnswerOptions options_;
  std::vector<bool> finished_;  // by choice
  runtime::Usage so_far_;
  bool done_ = false;
};

std::unique_ptr<ChunkedAnswer> make_chat_answer(AnswerIdentity identity, const AnswerOptions& options);
std::unique_ptr<ChunkedAnswer> make_completion_answer(AnswerIdentity identity, const AnswerOptions& options);

Json usage_object(const runtime::Usage& usage);
// While it is not over: what is known only then is not told.
Json usage_so_far(const runtime::Usage& usage);

}  // namespace troupe::actors::edge::openai
