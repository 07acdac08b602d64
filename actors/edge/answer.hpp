// How the deltas of a generation become the words of an API: parts of a stream, or one whole object made of the same
// deltas. One owner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/edge/json_body.hpp"
#include "actors/edge/own_names.hpp"
#include "actors/service.hpp"

namespace troupe::actors::edge {

// What stands at the head of each object of an answer.
struct AnswerIdentity {
  std::string id;
  std::string model;
  std::string fingerprint;   // of what computes it: answers of one fingerprint and seed are the same
  std::int64_t created = 0;  // Unix seconds
  std::string request_id{};  // of the HTTP request
};

class Answer {
 public:
  virtual ~Answer() = default;

  // A stream: each appends whole events to out, in this order; end or failure once. usage of begin: of the prompts.
  virtual std::string_view stream_type() const { return "text/event-stream; charset=utf-8"; }
  virtual void begin(const runtime::Usage& usage, std::string& out) = 0;
  virtual void still_waiting(std::string& out);  // nothing came for a while: so that no proxy gives up
  virtual void delta(const runtime::Delta& delta, std::string& out) = 0;
  virtual void end(const runtime::Usage& usage, std::string& out) = 0;
  virtual void failure(const Refusal& refusal, std::string& out) = 0;

  // The whole: collect every delta, then ask once.
  virtual void collect(runtime::Delta delta) = 0;
  virtual Json whole(const runtime::Usage& usage) = 0;
};

constexpr std::size_t max_request_id_bytes = 128;  // a longer one is not taken

// An id that a client may choose, since it stands in headers and logs: visible ASCII characters, and not too many.
bool usable_request_id(std::string_view id);

// What a client asked of an endpoint that generates, checked.
struct ApiRequest {
  runtime::GenerationRequest
      generation;          // without its id; without prompts: nothing is generated, the answer is told
  std::string id_prefix;   // of the answer's id, "chatcmpl-"
  std::string request_id;  // the rest of it, in place of the HTTP request's; empty: that is it
  std::vector<OwnName> own_names;  // for what the replica refuses
  bool stream = false;
  std::function<std::unique_ptr<Answer>(AnswerIdentity)> answer;  // called once

  std::size_t choices() const { return generation.prompts.size() * std::size_t(generation.n); }
};

// A server-sent event: "data: ..." and, where it has one, "event: ..." before it.
void append_event(std::string_view data, std::string& out, std::string_view name = {});

Json text_or_null(std::string_view text);  // null: it is empty

// The token as text; where its bytes are no whole characters, as OpenAI writes them: "bytes:\xe2\x82".
std::string token_text(const std::string& bytes);

// JSON has no minus infinity; vLLM's floor stands for it.
double finite_logprob(float logprob);

}  // namespace troupe::actors::edge
