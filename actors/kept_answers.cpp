#include "actors/kept_answers.hpp"

#include "actors/metric_family.hpp"

namespace troupe::actors {

std::vector<prometheus::MetricFamily> kept_answer_figures(const KeptAnswers& kept,
                                                          const std::string& model_name) {
  std::vector<prometheus::MetricFamily> all;
  const auto add = [&](const char* name, const char* help, prometheus::MetricType type, std::uint64_t value) {
    all.push_back(metric_family(name, help, type, double(value), {{"model_name", model_name}}));
  };
  using enum prometheus::MetricType;
  add("troupe_kept_answers", "Answers that are kept for clients that come again.", Gauge, kept.answers);
  add("troupe_kept_answer_bytes", "Bytes that they take.", Gauge, kept.bytes);
  add("troupe_max_kept_answer_bytes", "Bytes that they may take.", Gauge, kept.most_bytes);
  add("troupe_answer_joins_total", "Requests that got an earlier one's answer, by Idempotency-Key.", Counter,
      kept.joins);
  add("troupe_stream_reconnects_total", "Requests that came back to an answer by its id.", Counter,
      kept.reconnects);
  add("troupe_journal_answers_resumed_total", "Answers of an earlier process that were computed again.",
      Counter, kept.resumed);
  add("troupe_kept_answers_dropped_total", "Answers that were forgotten before their time, to make room.",
      Counter, kept.dropped);
  return all;
}

}  // namespace troupe::actors
