// What a journal says of requests, and its bytes. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/time_limits.hpp"

namespace troupe::actors::edge {

// What makes a request, and the bytes of its answer, once more.
struct KeptRequest {
  std::string id{};          // of the generation: "chatcmpl-..."
  std::string request_id{};  // of the HTTP request
  std::string path{};        // of its endpoint
  std::string body{};        // as the client sent it
  std::string caller{};      // its name; empty: no key was asked for
  std::string cache_salt{};
  std::string idempotency_key{};  // empty: none
  std::string fingerprint{};      // of the model that answers
  std::uint64_t seed = 0, nonce = 0;
  std::int64_t created = 0;  // Unix seconds
  TimeLimits times{};
  std::int32_t priority = 0;                  // as its caller was given
  std::optional<std::int32_t> most_tokens{};  // likewise
  std::string filter_digest{};                // of the filter that its answer goes through; empty: none
  friend bool operator==(const KeptRequest&, const KeptRequest&) = default;
};

enum class RequestChange : std::uint8_t {
  begun,
  finished,
  dropped,
  failed,  // likewise finished, and its Idempotency-Key is free
};

struct JournalRecord {
  RequestChange change = RequestChange::begun;
  KeptRequest request{};  // its id alone, but where it has begun
  friend bool operator==(const JournalRecord&, const JournalRecord&) = default;
};

std::string journal_bytes(const JournalRecord& record);
// Nothing, if they are of no record. Takes no more memory than twice their number.
std::optional<JournalRecord> read_journal_record(std::string_view bytes);

}  // namespace troupe::actors::edge
