// The header Idempotency-Key: a client's name for a request that it may send again. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

constexpr std::size_t max_idempotency_key_bytes = 255;

// Visible characters of ASCII, not too many; empty: the client sent none. count: lines of the header.
Expected<std::string> read_idempotency_key(std::string_view value, std::size_t count);

// Of what is asked for: requests of one are the same.
std::string digest_of_request(std::string_view path, std::string_view body);

Refusal reused_idempotency_key();  // 422: for another request

}  // namespace troupe::actors::edge
