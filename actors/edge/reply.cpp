#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {
namespace {

const char* error_type(RefusalKind kind) {
  switch (kind) {
    case RefusalKind::unauthorized:
      return "authentication_error";
    case RefusalKind::not_found:
      return "not_found_error";
    case RefusalKind::timeout:
      return "timeout_error";
    case RefusalKind::rate_limited:
      return "rate_limit_error";
    case RefusalKind::unavailable:
      return "overloaded_error";
    case RefusalKind::internal:
      return "server_error";
    default:
      return "invalid_request_error";
  }
}

}  // namespace

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Reply json_reply(int status, const Json& body) {
  return {.status = status, .body = dump(body)};
}

Json error_object(const Refusal& refusal) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"error",
           {{"message", refusal.message},
            {"type", error_type(refusal.kind)},
            {"param", or_null(refusal.param)},
            {"code", or_null(refusal.code)}}}};
}

Reply refusal_reply(const Refusal& refusal) {
  Reply reply = json_reply(int(refusal.kind), error_object(refusal));
  if (refusal.kind == RefusalKind::unavailable || refusal.kind == RefusalKind::rate_limited)
    reply.headers.emplace_back("Retry-After", retry_after_seconds);
  if (refusal.kind == RefusalKind::unauthorized) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace troupe::actors::edge
