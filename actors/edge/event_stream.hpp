// A stream's server-sent events: what is written, in which order, and its end exactly once. One owner.
//
//   data: {chunk}      for each delta that says something
//   data: {usage}      if asked for
//   data: [DONE]
// After a failure: data: {"error": ...}, then data: [DONE].
#pragma once

#include <string>
#include <vector>

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {

class EventStream {
 public:
  // answer: outlives this.
  EventStream(Answer& answer, std::size_t choices, bool include_usage);

  // Each appends whole events to out.
  void delta(const runtime::Delta& delta, std::string& out);  // after a choice's last it gets no more
  void end(const runtime::Usage& usage, std::string& out);    // every choice has had its last delta
  void failure(const Refusal& refusal, std::string& out);

 private:
  void done(std::string& out);

  Answer& answer_;
  std::vector<bool> finished_;  // by choice
  bool include_usage_;
  bool done_ = false;
};

}  // namespace troupe::actors::edge
