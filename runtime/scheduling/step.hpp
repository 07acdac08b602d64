// What the scheduler, the block managers and the workers say to each other about a step. Plain values;
// `inspect` serves any archive and stands here because argument-dependent lookup needs the type's namespace.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/clock.hpp"
#include "runtime/base/sampling.hpp"
#include "runtime/base/service_levels.hpp"
#include "runtime/scheduling/step_wire.hpp"

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
  LogitRules rules;
  GrammarSpec grammar;            // of rules.grammar, if there is one
  std::vector<TokenId> stop_ids;  // sampled, they end the sequence
  std::int32_t priority = 0;      // lower runs earlier under policy `priority`
  std::uint64_t arrival = 0;      // order of birth; kept in replay
  std::string cache_salt;         // separates prefix caches of callers; may be empty
  bool resubmitted = false;       // it was accepted before a fault, so that no full queue refuses it
  std::uint64_t caller = 0;       // a number for who asks; policies are fair between these
  TimePoint arrived{};            // at the server; kept in replay. Not set: when it is submitted
  ServiceLevels slo{};
  std::int32_t predicted_output = 0;  // tokens in all, by whoever knows better than a policy; 0: nobody does
  TimePoint start_by{};  // refused at once if it will not get blocks by then. Not set: it has time
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Submission& x) {
  return f(x.sequence, x.tokens, x.prompt_tokens, x.max_output_tokens, x.sampling, x.rules, x.grammar,
           x.stop_ids, x.priority, x.arrival, x.cache_salt, x.resubmitted, x.caller, x.arrived, x.slo,
           x.predicted_output, x.start_by);
}

// A step speaks to the ranks of each group of what is new to them. They remember the rest (runtime/execution/
// sequence_table.hpp) for as long as the epoch lasts.

// A sequence that the ranks do not have: it got blocks for the first time, or again, or the epoch is new.
struct Begin {
  SequenceId sequence = 0;
  std::vector<TokenId>
      tokens;  // from the start, as far as this step computes them, and the next if it is known
  std::int32_t prompt_tokens = 0;  // of the whole sequence; may be more than those
  std::int32_t computed = 0;       // of tokens, in the cache already
  SamplingParams sampling;
  LogitRules rules{};
  std::vector<BlockId> blocks{};  // cover tokens
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Begin& x) {
  return f(x.sequence, x.tokens, x.prompt_tokens, x.computed, x.sampling, x.rules, x.blocks);
}

// Part of a sequence that a step computes: the rows behind what is in the cache.
struct Extend {
  SequenceId sequence = 0;
  std::vector<TokenId> tokens;  // that the ranks do not know yet; what they sampled they know
  std::vector<BlockId> blocks;  // appended to its block table, which then covers the rows
  std::int32_t rows = 0;        // at least 1, drafts among them
  std::int32_t drafts = 0;      // the last rows: what the ranks expect to come, for the logits to verify
  bool samples =
      false;  // the logits of the last row before the drafts yield the next token, theirs those after it
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Extend& x) {
  return f(x.sequence, x.tokens, x.blocks, x.rows, x.drafts, x.samples);
}

// The fields of a message, and behind them a list in its packed form.
template <class Inspector, class T>
typename Inspector::result_type inspect_packed(Inspector& f, std::vector<T>& list, auto&... fields) {
  if constexpr (Inspector::reads_state) {
    std::string bytes = packed(list);
    return f(fields..., bytes);
  } else {
    std::string bytes;
    auto result = f(fields..., bytes);
    unpack(bytes, list);
    return result;
  }
}

// What a step is for the ranks of one group. Each rank runs an epoch's steps in their order, and none is left out.
struct StepPlan {
  Epoch epoch = 0;
  StepId step = 0;
  StepId after = 0;  // the step before it in this epoch; 0: it is the first
  GroupId group = 0;
  // [groups]: of each in this step, and how many of its sequences sample. Without any, its ranks still join the
  // collectives.
  std::vector<std::int32_t> group_rows{}, group_samples{};
  std::int32_t predictions = 0;      // runs of the prediction layer, for so many drafts in the next step
  std::vector<SequenceId> forget{};  // first of all
  std::vector<Begin> begin{};
  std::vector<Extend> extend{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepPlan& x) {
  return inspect_packed(f, x.extend, x.epoch, x.step, x.after, x.group, x.group_rows, x.group_samples,
                        x.predictions, x.forget, x.begin);
}

struct SequenceOutput {
  SequenceId sequence = 0;
  std::vector<SampledToken> sampled;  // one, and one more for each draft that was right
  std::int32_t forced = 0;  // tokens that its grammar forces behind those, as far as the ranks have looked
};
constexpr std::int32_t most_forced_tokens = 16;  // so far the ranks look
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, SequenceOutput& x) {
  return f(x.sequence, x.sampled, x.forced);
}

// Tokens of a prompt and their log-probabilities, for who asked for them.
struct PromptLogprobs {
  SequenceId sequence = 0;
  std::vector<SampledToken> tokens;  // those that follow the rows of its part, in their order
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PromptLogprobs& x) {
  return f(x.sequence, x.tokens);
}

struct StepTimes {
  double compute_seconds = 0;     // of the model and the sampling
  double prediction_seconds = 0;  // of all runs of the prediction layer
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepTimes& x) {
  return f(x.compute_seconds, x.prediction_seconds);
}

struct StepResult {
  Epoch epoch = 0;
  StepId step = 0;
  GroupId group = 0;
  std::vector<SequenceOutput> outputs;  // one for each part that samples, in the plan's order
  StepTimes times;
  std::vector<PromptLogprobs> prompts{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, StepResult& x) {
  return inspect_packed(f, x.outputs, x.epoch, x.step, x.group, x.times, x.prompts);
}

enum class FinishReason : std::uint8_t { none, stop, length, error };  // error: there is no_token, or no_mask

// What a commit yields for one sequence.
struct CommittedToken {
  SequenceId sequence = 0;
  std::uint64_t output_position = 0;
  SampledToken sampled;
  FinishReason finish = FinishReason::none;  // not none: the scheduler has forgotten the sequence
  std::int32_t cached_tokens = 0;  // of the prompt, found in the prefix cache since it was submitted
  std::vector<SampledToken>
      prompt_logprobs{};  // with the first output, if they were asked for: of all but the first
  TimePoint seated{};     // when it first got blocks since it was submitted
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CommittedToken& x) {
  return f(x.sequence, x.output_position, x.sampled, x.finish, x.cached_tokens, x.prompt_logprobs, x.seated);
}

}  // namespace troupe::runtime
