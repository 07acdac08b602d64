// Requests of a journal's tests, each told by its number.
#pragma once

#include <string>

#include "actors/edge/retries/journal_record.hpp"

namespace troupe::actors::edge {

inline std::string kept_id(std::uint64_t number) {
  return "chatcmpl-" + std::to_string(number);
}

inline KeptRequest kept_request(std::uint64_t number, std::size_t body_bytes = 20) {
  return {.id = kept_id(number),
          .request_id = "request " + std::to_string(number),
          .path = "/v1/chat/completions",
          .body = std::string(body_bytes, char('a' + number % 26)),
          .caller = number % 2 == 0 ? "" : "search",
          .cache_salt = "salt",
          .idempotency_key = number % 2 == 0 ? "" : "key " + std::to_string(number),
          .fingerprint = "fp",
          .seed = ~number,
          .nonce = number,
          .created = 1'700'000'000,
          .times = {.request = std::chrono::milliseconds(number), .partial = number % 3 == 0},
          .priority = -std::int32_t(number % 5),
          .most_tokens = number % 3 == 0 ? std::nullopt : std::optional(std::int32_t(number)),
          .filter_digest = number % 2 == 0 ? "" : "d1ge57"};
}

}  // namespace troupe::actors::edge
