// A whole HTTP answer, and OpenAI's error object. Any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "actors/edge/json_body.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
};

// For clients that find the server loading or full, where nobody knows for how long.
constexpr const char* retry_after_seconds = "5";

// nginx's 499 is what logs show of a client that left.
int http_status(RefusalKind kind);

Reply json_reply(int status, const Json& body);

// The type in OpenAI's error object.
const char* error_type(RefusalKind kind);

// {"error": {"message", "type", "param", "code"}}; param and code are null where the refusal has none.
Json error_object(const Refusal& refusal);

// Carries what the status asks for: Retry-After, WWW-Authenticate. body: the refusal in a protocol's words.
Reply refusal_reply_of(const Refusal& refusal, const Json& body);
Reply refusal_reply(const Refusal& refusal,
                    const std::string& request_id = {});  // OpenAI's, which names no request

// Bytes that are no UTF-8 become U+FFFD; nothing is thrown.
std::string dump(const Json& json);

}  // namespace troupe::actors::edge
