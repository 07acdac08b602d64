// How the deltas of a generation become the objects of an API: chunks of a stream, or one whole object made
// of the same deltas. One owner.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/edge/json_body.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

// What stands at the head of each object of an answer.
struct AnswerIdentity {
  std::string id;
  std::string model;
  std::int64_t created = 0;  // Unix seconds
};

class Answer {
 public:
  virtual ~Answer() = default;

  // The next part of a stream: its chunk, or nothing when the delta says nothing.
  virtual std::optional<Json> chunk(const runtime::Delta& delta) = 0;
  virtual Json usage_chunk(const runtime::Usage& usage) const = 0;  // "choices" is empty

  // The whole: collect every delta, then ask once.
  virtual void collect(runtime::Delta delta) = 0;
  virtual Json whole(const runtime::Usage& usage) = 0;
};

std::unique_ptr<Answer> make_chat_answer(AnswerIdentity identity, std::size_t choices,
                                         bool include_reasoning);
std::unique_ptr<Answer> make_completion_answer(AnswerIdentity identity, std::size_t choices);

Json usage_object(const runtime::Usage& usage);

// "object" comes second and "choices" fourth, as OpenAI prints them.
Json answer_object(const AnswerIdentity& identity, const char* object, Json choices);

Json text_or_null(std::string_view text);  // null: it is empty

// The token as text; where its bytes are no whole characters, as OpenAI writes them: "bytes:\xe2\x82".
std::string token_text(const std::string& bytes);

// JSON has no minus infinity; vLLM's floor stands for it.
double finite_logprob(float logprob);

}  // namespace troupe::actors::edge
