// A span of a trace, and how OpenTelemetry writes it (OTLP/HTTP with JSON). No text of a request is in one. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/edge/json_body.hpp"

namespace troupe::actors::edge {

struct Span {
  enum class Kind { internal = 1, server = 2 };
  using Value = std::variant<std::int64_t, double, std::string>;

  std::string trace_id, span_id;
  std::string parent_id;  // empty: it is the trace's first
  std::string name;
  Kind kind = Kind::internal;
  std::chrono::system_clock::time_point begin, end;
  std::vector<std::pair<std::string, Value>> attributes{};
  std::vector<std::string> links{};  // to spans of the same trace
  std::string state{};               // tracestate
  bool failed = false;
};

// An ExportTraceServiceRequest. version: of the program.
Json otlp_request(const std::vector<Span>& spans, const std::string& version);

}  // namespace troupe::actors::edge
