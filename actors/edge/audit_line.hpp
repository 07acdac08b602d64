// The line of the log that an audit needs of each request: who asked for what, how it ended and what it cost; never text. Each
// request has one: its session writes it, or, where an answer is kept, that answer once it has ended. Plain values.
#pragma once

#include <optional>
#include <string>

#include "actors/edge/callers/metered_sink.hpp"
#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge {

struct AuditLine {
  std::string request_id{};
  const Endpoint* endpoint = nullptr;   // null: nobody knows what was asked for
  std::string caller{};                 // its name; may be empty
  std::string generation{};             // its id; empty: there is none
  TimePoint began{};                    // the times of a line count from here
  int status = 0;                       // that the client saw; 499 when it left before seeing one
  std::string failure{};                // the code of a refusal
  std::optional<TimePoint> detached{};  // when the client left an answer that went on
  bool restored = false;                // an answer of the journal, which began in an earlier process

  // end: "complete", "failed", "cancelled" or, of a request that read another's answer, "detached". record: of the generation
  // that the request began, null: it began none.
  void write(const char* end, const GenerationRecord* record = nullptr) const;
};

}  // namespace troupe::actors::edge
