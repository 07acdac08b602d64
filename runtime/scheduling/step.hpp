// What the scheduler, the block managers and the workers say to each other about a step. Plain values;
// `inspect` serves any archive and stands here because argument-dependent lookup needs the type's namespace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/sampling.hpp"

namespace troupe::runtime {

// One choice of a request, as the scheduler gets it. A replay after a fault submits the same sequence again
// with what it had produced behind its prompt.
struct Submission {
  SequenceId sequence = 0;
  std::vector<TokenId> tokens;     // prompt, then output so far
  std::int32_t prompt_tokens = 0;  // of tokens; at least 1
  // In all, those already in tokens included; at least one more than those.
  std::int32_t max_output_tokens = 0;
  SamplingParams sampling;
  std::vector<TokenId> stop_ids;  // sampled, they end the sequence
  std::int32_t priority = 0;      // lower runs earlier under policy `priority`
  std::uint64_t arrival = 0;      // order of birth; kept in replay
  std::string cache_salt;         // separates prefix caches of callers; may be empty
  bool resubmitted = false;       // it was accepted before a fault, so that no full queue refuses it
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Submission& x) {
  return f(x.sequence, x.tokens, x.prompt_tokens, x.max_output_tokens, x.sampling, x.stop_ids, x.priority,
           x.arrival, x.cache_salt, x.resubmitted);
}

// Part of a sequence that a step computes.
struct Slice {
  SequenceId sequence = 0;
  std::vector<TokenId> tokens;      // new ones
  std::int32_t first_position = 0;  // of tokens[0]; what is before it is in the cache
  std::vector<BlockId> blocks;      // cover [0, first_position + tokens.size())
  bool samples = false;             // the last token's logits yield the next token
  SamplingParams sampling;
  std::uint64_t output_position = 0;  // index of that next token among the sequence's outputs
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Slice& x) {
  return f(x.sequence, x.tokens, x.first_position, x.blocks, x.samples, x.sampling, x.output_position);
}

struct GroupPlan {
  GroupId group = 0;
  std::vector<Slice> slices;  // may be empty: the group's ranks still join the collectives
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GroupPlan& x) {
  return f(x.group, x.slices);
}

struct StepPlan {
  Epoch epoch = 0;
  StepId step = 0;
  std::vector<GroupPlan> groups;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepPlan& x) {
  return f(x.epoch, x.step, x.groups);
}

struct SequenceOutput {
  SequenceId sequence = 0;
  SampledToken sampled;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SequenceOutput& x) {
  return f(x.sequence, x.sampled);
}

struct StepTimes {
  double compute_seconds = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepTimes& x) {
  return f(x.compute_seconds);
}

struct StepResult {
  Epoch epoch = 0;
  StepId step = 0;
  GroupId group = 0;
  std::vector<SequenceOutput> outputs;  // one for each slice with samples, in the plan's order
  StepTimes times;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepResult& x) {
  return f(x.epoch, x.step, x.group, x.outputs, x.times);
}

enum class FinishReason : std::uint8_t { none, stop, length, error };  // error: there is no_token

// What a commit yields for one sequence.
struct CommittedToken {
  SequenceId sequence = 0;
  std::uint64_t output_position = 0;
  SampledToken sampled;
  FinishReason finish = FinishReason::none;  // not none: the scheduler has forgotten the sequence
  std::int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache since it was submitted
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CommittedToken& x) {
  return f(x.sequence, x.output_position, x.sampled, x.finish, x.cached_tokens);
}

}  // namespace troupe::runtime
