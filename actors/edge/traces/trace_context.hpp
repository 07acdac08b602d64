// Which trace a request belongs to, by W3C's Trace Context (https://www.w3.org/TR/trace-context/). Any thread.
#pragma once

#include <string>
#include <string_view>

namespace troupe::actors::edge {

struct TraceContext {
  std::string trace_id;     // 32 hexadecimal digits
  std::string span_id;      // 16, of the request here
  std::string parent_id{};  // likewise, of who asks; empty: nobody said
  std::string state{};      // tracestate, as it came
  bool sampled = true;      // who asks wants its spans kept
};

// traceparent, tracestate: values of these headers; empty: there is none. One that is malformed begins a trace of our own.
TraceContext begin_trace(std::string_view traceparent, std::string_view tracestate);

std::string random_span_id();

}  // namespace troupe::actors::edge
