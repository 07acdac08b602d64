#include "actors/edge/retries/idempotency_key.hpp"

#include <algorithm>

#include "runtime/base/digest.hpp"

namespace troupe::actors::edge {

Expected<std::string> read_idempotency_key(std::string_view value, std::size_t count) {
  if (count == 0) return std::string();
  const bool visible = std::ranges::all_of(value, [](char each) { return each > ' ' && each < 0x7F; });
  if (count > 1 || value.empty() || value.size() > max_idempotency_key_bytes || !visible)
    return refuse("The header Idempotency-Key must hold 1 to " + std::to_string(max_idempotency_key_bytes) +
                      " visible ASCII characters, once.",
                  "Idempotency-Key", "invalid_idempotency_key");
  return std::string(value);
}

std::string digest_of_request(std::string_view path, std::string_view body) {
  std::string all(path);
  all.append("\n").append(body);
  return sha256_hex(all);
}

Refusal reused_idempotency_key() {
  return {RefusalKind::unprocessable,
          "This Idempotency-Key was used for another request; choose a new key for a new request.",
          "Idempotency-Key", "idempotency_key_reused"};
}

}  // namespace troupe::actors::edge
