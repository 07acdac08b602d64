#include "actors/edge/traces/trace_context.hpp"

#include <algorithm>

#include "runtime/base/random_id.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::size_t max_state_bytes = 512;  // a longer one need not be passed on

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_id(std::string_view text) {
  return is_hex(text) && text.find_first_not_of('0') != text.npos;
}

// "00-TRACE-PARENT-FLAGS"; a later version may have more behind that.
bool well_formed(std::string_view text) {
  constexpr std::size_t length = 55;
  if (text.size() < length || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2);
  if (!is_hex(version) || version == "ff") return false;
  if (text.size() > length && (version == "00" || text[length] != '-')) return false;
  return is_id(text.substr(3, 32)) && is_id(text.substr(36, 16)) && is_hex(text.substr(53, 2));
}

}  // namespace

TraceContext begin_trace(std::string_view traceparent, std::string_view tracestate) {
  TraceContext context{.trace_id = {}, .span_id = random_span_id()};
  if (!well_formed(traceparent)) {
    context.trace_id = random_id();
    return context;
  }
  context.trace_id = traceparent.substr(3, 32);
  context.parent_id = traceparent.substr(36, 16);
  const char flags = traceparent[54];
  context.sampled = ((flags >= 'a' ? flags - 'a' + 10 : flags - '0') & 1) != 0;
  if (tracestate.size() <= max_state_bytes) context.state = tracestate;
  return context;
}

std::string random_span_id() {
  return random_id().substr(0, 16);
}

}  // namespace troupe::actors::edge
