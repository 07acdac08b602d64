// What an edge keeps of answers for clients that come again, and how often they did. Plain values; any thread.
#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::actors {

struct KeptAnswers {
  std::uint64_t answers = 0, bytes = 0;  // now
  std::uint64_t most_bytes = 0;          // --max-kept-answer-bytes
  // Since the edge began.
  std::uint64_t joins = 0;       // requests that got an earlier one's answer, by their Idempotency-Key
  std::uint64_t reconnects = 0;  // of clients to GET /v1/streams/{id}
  std::uint64_t resumed = 0;     // answers of the journal that were computed again
  std::uint64_t dropped = 0;     // answers that were forgotten before their time, to make room
};

// As metrics of the model of this name.
std::vector<prometheus::MetricFamily> kept_answer_figures(const KeptAnswers& kept,
                                                          const std::string& model_name);

}  // namespace troupe::actors
