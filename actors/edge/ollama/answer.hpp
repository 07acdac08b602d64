// An answer as Ollama tells it: JSON objects of one kind, a line each in a stream, of which the last has "done", why, and
// counts and durations in nanoseconds. A call of a tool is told whole, and
// not at all if it was cut off. One owner.
#pragma once

#include <functional>
#include <memory>

#include "actors/edge/answer.hpp"
#include "actors/edge/reply.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors::edge::ollama {

struct AnswerOptions {
  std::string model;  // as the client called it
  bool chat = true;   // a "message", else a "response"
  bool unload =
      false;  // without a prompt: the client has no more use for the model, which stays all the same
};

// clock: of the durations, which begin now. Of a request without a prompt, only the whole is asked for, at once: it says
// that the model is loaded, or that the client's wish to have it unloaded was heard.
std::unique_ptr<Answer> make_answer(const AnswerIdentity& identity, AnswerOptions options,
                                    std::function<TimePoint()> clock = now);

// {"error": ...}
Reply refusal_reply(const Refusal& refusal, const std::string& request_id);

// 2023-11-14T22:13:20Z
std::string time_text(std::int64_t unix_seconds);

}  // namespace troupe::actors::edge::ollama
