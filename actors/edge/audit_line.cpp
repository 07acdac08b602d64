#include "actors/edge/audit_line.hpp"

#include "actors/edge/routes.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

void add_record(const GenerationRecord& record, TimePoint began, nlohmann::json& line) {
  line["prompt_tokens"] = record.usage.prompt_tokens;
  line["cached_tokens"] = record.usage.cached_tokens;
  line["completion_tokens"] = record.usage.completion_tokens;
  if (record.accepted) line["accepted_ms"] = milliseconds(*record.accepted - began);
  if (record.first) line["first_ms"] = milliseconds(*record.first - began);
  if (!record.finish.empty()) line["finish"] = record.finish;
  if (!record.failure.empty()) line["failure"] = record.failure;
}

}  // namespace

void AuditLine::write(const char* end, const GenerationRecord* record) const {
  const bool probe = endpoint && endpoint->key == KeyClass::none;
  nlohmann::json line = {{"request_id", request_id},
                         {"route", endpoint ? endpoint->path : "unknown"},
                         {"protocol", endpoint ? protocol_of(*endpoint) : "unknown"},
                         {"status", status},
                         {"end", end},
                         {"ms", milliseconds(now() - began)}};
  if (!caller.empty()) line["caller"] = caller;
  if (!generation.empty()) line["generation"] = generation;
  if (!failure.empty()) line["failure"] = failure;
  if (detached) line["detached_ms"] = milliseconds(*detached - began);
  if (restored) line["restored"] = true;
  if (record) add_record(*record, began, line);
  log_event(probe ? LogLevel::debug : LogLevel::info, "http_request", line);
}

}  // namespace troupe::actors::edge
