#include "config/settings.hpp"

namespace troupe::config {

Table queue_schema(Settings& s) {
  constexpr std::int64_t most_items = 1 << 20;
  constexpr std::int64_t most_seconds = 24 * 60 * 60;
  return {
      {.name = "max-waiting",
       .target = &s.scheduler.max_waiting,
       .argument = "N",
       .help = "Most sequences that wait for their turn; a request beyond them is answered with status 503.",
       .range = {1, most_items}},
      {.name = "max-waiting-tokens",
       .target = &s.scheduler.max_waiting_tokens,
       .argument = "N",
       .help = "Most tokens of sequences that wait; likewise. A longer prompt may wait alone.",
       .range = {1}},
      {.name = "max-waiting-per-caller",
       .target = &s.scheduler.max_waiting_per_caller,
       .argument = "N",
       .help =
           "Most sequences of one caller that wait, and most of its requests whose prompts wait to be tokenized; its "
           "requests beyond them are answered with status 429. 0: as many as of all.",
       .range = {0, most_items}},
      {.name = "max-waiting-tokens-per-caller",
       .target = &s.scheduler.max_waiting_tokens_per_caller,
       .argument = "N",
       .help = "Most tokens of one caller that wait; likewise."},
      {.name = "stall-timeout",
       .target = &s.stall_timeout,
       .argument = "SECONDS",
       .help =
           "Without a step, while requests wait for one, after which the server is not ready. 0: it always is.",
       .range = {0, most_seconds}},
      {.name = "health-probe-interval",
       .target = &s.health_probe_interval,
       .argument = "SECONDS",
       .help =
           "Between requests for one token that the server makes itself; while one gets no answer, it is not ready. "
           "0: it makes none.",
       .range = {0, most_seconds}},
  };
}

}  // namespace troupe::config
