// What a request for a generation leaves in its trace: a span of the edge, and within it, for each choice, its time in the
// queue, its prefill and its decoding; what was computed again after a fault is a span that is linked to its decoding's.
// Any thread.
#pragma once

#include "actors/edge/traces/span.hpp"
#include "actors/edge/traces/trace_context.hpp"
#include "runtime/generation/choice_times.hpp"

namespace troupe::actors::edge {

struct RequestTrace {
  TraceContext context;
  std::string method, route, model, request_id;
  std::string generation_id{};  // empty: it was refused before it had one
  int status = 0;
  std::string end{};  // "complete", "failed", "cancelled"
  TimePoint began{}, ended{};
  std::vector<runtime::ChoiceTimes> choices{};  // those that were served
};

// now, wall: one moment by both clocks.
std::vector<Span> spans_of(const RequestTrace& request, TimePoint now,
                           std::chrono::system_clock::time_point wall);

}  // namespace troupe::actors::edge
