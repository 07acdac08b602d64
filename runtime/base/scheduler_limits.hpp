// How much a replica's scheduler takes on. It stands here because an operator sets it (config/) and the
// scheduler, which knows no settings, obeys it: one struct, which both rooms see.
#pragma once

#include <chrono>
#include <cstdint>

#include "runtime/base/speculation.hpp"

namespace troupe::runtime {

// The first two hold for each attention group, as they do for each engine of vLLM's data parallelism; so the
// replica's are as many times more as it has groups.
struct SchedulerLimits {
  std::int32_t max_num_batched_tokens = 2048;  // a step and group
  // How long a step may take while a stream waits for it, as far as that can be foreseen; 0: as long as it takes.
  std::chrono::milliseconds max_step_time{200};
  std::int32_t max_num_seqs = 256;  // that hold blocks at a time, in a group
  std::int32_t max_model_len = 0;   // prompt and output of a sequence; the model's, unless less was asked for
  std::int32_t max_steps_in_flight = 2;  // 1 or 2: the next step is planned while one is computed
  Speculation speculation{};
  // Sequences of the replica that hold no blocks, and their tokens; further ones are refused. One that is longer than the
  // tokens that may wait waits alone.
  std::int32_t max_waiting = 1024;
  std::int32_t max_waiting_tokens = 1 << 24;
  // Likewise of one caller, whose further ones are refused; 0: as many as of all.
  std::int32_t max_waiting_per_caller = 0;
  std::int32_t max_waiting_tokens_per_caller = 0;
  std::int32_t block_size = 16;  // tokens
  bool prefix_caching = true;
  friend bool operator==(const SchedulerLimits&, const SchedulerLimits&) = default;
};

// Rows of prompts in a group's step whose log-probabilities are wanted; longer prompts take more steps.
constexpr std::int32_t most_prompt_logprob_rows = 64;

// Rows of a step whose logits are wanted, of a group: every sequence's last one and its drafts, and those of prompts.
constexpr std::int32_t most_logit_rows(const SchedulerLimits& limits) {
  const auto rows =
      std::int64_t(limits.max_num_seqs) * (1 + limits.speculation.tokens) + most_prompt_logprob_rows;
  return rows < limits.max_num_batched_tokens ? std::int32_t(rows) : limits.max_num_batched_tokens;
}

}  // namespace troupe::runtime
