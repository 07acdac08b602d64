#include "actors/edge/traces/span.hpp"

namespace troupe::actors::edge {
namespace {

// As protobuf's JSON has 64-bit integers: text.
std::string nanoseconds(std::chrono::system_clock::time_point time) {
  return std::to_string(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

Json value_object(const Span::Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return {{"intValue", std::to_string(*number)}};
  if (const auto* number = std::get_if<double>(&value)) return {{"doubleValue", *number}};
  return {{"stringValue", std::get<std::string>(value)}};
}

Json attribute(const std::string& key, const Span::Value& value) {
  return {{"key", key}, {"value", value_object(value)}};
}

Json span_object(const Span& span) {
  constexpr int error = 2;  // STATUS_CODE_ERROR
  Json object{{"traceId", span.trace_id},
              {"spanId", span.span_id},
              {"name", span.name},
              {"kind", int(span.kind)},
              {"startTimeUnixNano", nanoseconds(span.begin)},
              {"endTimeUnixNano", nanoseconds(span.end)}};
  if (!span.parent_id.empty()) object["parentSpanId"] = span.parent_id;
  if (!span.state.empty()) object["traceState"] = span.state;
  for (const auto& [key, value] : span.attributes) object["attributes"].push_back(attribute(key, value));
  for (const std::string& link : span.links)
    object["links"].push_back({{"traceId", span.trace_id}, {"spanId", link}});
  if (span.failed) object["status"] = {{"code", error}};
  return object;
}

}  // namespace

Json otlp_request(const std::vector<Span>& spans, const std::string& version) {
  Json all = Json::array();
  for (const Span& each : spans) all.push_back(span_object(each));
  const Json scope{{"name", "troupe"}, {"version", version}};
  Json of_scope{{"scope", scope}, {"spans", std::move(all)}};
  Json resource{{"attributes",
                 Json::array({attribute("service.name", "troupe"), attribute("service.version", version)})}};
  Json of_resource{{"resource", std::move(resource)}, {"scopeSpans", Json::array({std::move(of_scope)})}};
  return {{"resourceSpans", Json::array({std::move(of_resource)})}};
}

}  // namespace troupe::actors::edge
