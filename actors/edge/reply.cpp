#include "actors/edge/reply.hpp"

#include "actors/edge/answer.hpp"

namespace troupe::actors::edge {
namespace {

// How a refusal is told over HTTP: its status, and the type in OpenAI's error object.
struct Told {
  int status;
  const char* type;
};

Told told(RefusalKind kind) {
  switch (kind) {
    case RefusalKind::invalid:
      return {400, "invalid_request_error"};
    case RefusalKind::unauthorized:
      return {401, "authentication_error"};
    case RefusalKind::forbidden:
      return {403, "permission_error"};
    case RefusalKind::not_found:
      return {404, "not_found_error"};
    case RefusalKind::method_not_allowed:
      return {405, "invalid_request_error"};
    case RefusalKind::timeout:
      return {408, "timeout_error"};
    case RefusalKind::gone:
      return {410, "not_found_error"};
    case RefusalKind::too_large:
      return {413, "invalid_request_error"};
    case RefusalKind::unprocessable:
      return {422, "invalid_request_error"};
    case RefusalKind::rate_limited:
      return {429, "rate_limit_error"};
    case RefusalKind::headers_too_large:
      return {431, "invalid_request_error"};
    case RefusalKind::cancelled:
      return {499, "invalid_request_error"};
    case RefusalKind::internal:
      return {500, "server_error"};
    case RefusalKind::unavailable:
      return {503, "overloaded_error"};
  }
  CHECK(false, "a refusal has a kind");
  return {};
}

}  // namespace

int http_status(RefusalKind kind) {
  return told(kind).status;
}

const char* error_type(RefusalKind kind) {
  return told(kind).type;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Reply json_reply(int status, const Json& body) {
  return {.status = status, .body = dump(body)};
}

Json error_object(const Refusal& refusal) {
  return {{"error",
           {{"message", refusal.message},
            {"type", error_type(refusal.kind)},
            {"param", text_or_null(refusal.param)},
            {"code", text_or_null(refusal.code)}}}};
}

Reply refusal_reply_of(const Refusal& refusal, const Json& body) {
  const RefusalKind kind = refusal.kind;
  Reply reply = json_reply(http_status(kind), body);
  if (kind == RefusalKind::unavailable || kind == RefusalKind::rate_limited)
    reply.headers.emplace_back(
        "Retry-After", refusal.retry_after > 0 ? std::to_string(refusal.retry_after) : retry_after_seconds);
  if (kind == RefusalKind::unauthorized) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

Reply refusal_reply(const Refusal& refusal, const std::string&) {
  return refusal_reply_of(refusal, error_object(refusal));
}

}  // namespace troupe::actors::edge
