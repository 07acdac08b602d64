// A step: propose, dispose, commit.
#include <algorithm>

#include "runtime/scheduler_state.hpp"

namespace troupe::runtime {

std::optional<BlockRequest> Scheduler::propose() {
  State& state = *state_;
  if (state.phase != State::Phase::between) return std::nullopt;
  state.rank();
  BlockRequest request;
  request.epoch = state.epoch;
  request.wants = state.wants();
  request.filled = std::exchange(state.filled, {});
  request.released = std::exchange(state.released, {});
  if (request.wants.empty() && request.filled.empty() && request.released.empty()) return std::nullopt;
  for (auto each = state.ranked.rbegin(); each != state.ranked.rend(); ++each)
    request.preemption_order.push_back(each->first->submission.sequence);
  state.phase = State::Phase::asked;
  return request;
}

// Everyone, most urgent first: those that the policy named in its order, then those that it forgot, then the
// paused, each in order of arrival.
void Scheduler::State::rank() {
  ++proposals;
  views.clear();
  proposal.shares.clear();
  ranked.clear();
  for (const auto& [place, sequence] : by_arrival)
    if (!sequence.paused) views.push_back(sequence.view());
  policy->propose({views}, limits.max_num_batched_tokens, proposal);
  for (const Share& share : proposal.shares) {
    Sequence* sequence = find(share.sequence);
    if (!sequence || sequence->paused || std::exchange(sequence->ranked_in, proposals) == proposals) continue;
    ranked.emplace_back(sequence, share.tokens);
  }
  if (ranked.size() == by_id.size()) return;
  for (bool paused : {false, true})
    for (auto& [place, sequence] : by_arrival)
      if (sequence.paused == paused && sequence.ranked_in != proposals) ranked.emplace_back(&sequence, 0);
}

// In the ranked order, trimmed to the token budget and to max_num_seqs.
std::vector<BlockWant> Scheduler::State::wants() {
  std::vector<BlockWant> wants;
  std::int32_t budget = limits.max_num_batched_tokens;
  std::size_t last = ranked.size();  // whoever ranks from here on holds no seat
  std::int32_t seats = running;
  for (std::size_t i = 0; i < last && budget > 0; ++i) {
    const auto [sequence, proposed] = ranked[i];
    const std::int32_t tokens = std::min({proposed, sequence->pending(), budget});
    if (tokens <= 0) continue;
    if (!sequence->running) {
      if (seats < limits.max_num_seqs) {
        ++seats;
      } else {  // the least urgent gives up its seat, as it would its blocks
        do --last;
        while (last > i && !ranked[last].first->running);
        if (last == i) break;
        released.push_back(ranked[last].first->submission.sequence);
        preempt(*ranked[last].first);
      }
    }
    budget -= tokens;
    wants.push_back(want(*sequence, tokens));
  }
  return wants;
}

BlockWant Scheduler::State::want(Sequence& sequence, std::int32_t tokens) const {
  BlockWant want{sequence.submission.sequence, sequence.computed, tokens, sequence.length(), {}};
  if (!sequence.running && limits.prefix_caching) {
    const auto hashes = sequence.hashes_of((sequence.length() - 1) / limits.block_size, limits.block_size);
    want.prefix.assign(hashes.begin(), hashes.end());
  }
  return want;
}

std::optional<StepPlan> Scheduler::dispose(const BlockReply& reply) {
  State& state = *state_;
  if (reply.epoch != state.epoch || state.phase != State::Phase::asked) return std::nullopt;
  for (SequenceId victim : reply.preempted)
    if (Sequence* sequence = state.find(victim)) state.preempt(*sequence);
  GroupPlan plan{state.group, {}};
  state.in_flight.clear();
  for (const BlockGrant& grant : reply.grants)
    if (Sequence* sequence = state.find(grant.sequence)) plan.slices.push_back(state.slice(*sequence, grant));
  state.phase = plan.slices.empty() ? State::Phase::between : State::Phase::in_flight;
  if (plan.slices.empty()) return std::nullopt;
  return StepPlan{state.epoch, ++state.stats.steps, {std::move(plan)}};
}

Slice Scheduler::State::slice(Sequence& sequence, const BlockGrant& grant) {
  running += !sequence.running;
  sequence.running = true;
  sequence.computed = grant.computed;
  const std::int32_t end = grant.computed + grant.new_tokens;
  CHECK(grant.new_tokens > 0 && end <= sequence.length(), "a grant past the sequence's end");
  const Submission& submission = sequence.submission;
  Slice slice{submission.sequence,
              {submission.tokens.begin() + grant.computed, submission.tokens.begin() + end},
              grant.computed,
              grant.blocks,
              end == sequence.length(),
              submission.sampling,
              std::uint64_t(sequence.outputs())};
  in_flight.push_back({slice.sequence, grant.new_tokens, slice.samples});
  return slice;
}

std::vector<CommittedToken> Scheduler::commit(const StepResult& result) {
  State& state = *state_;
  std::vector<CommittedToken> committed;
  if (state.phase != State::Phase::in_flight || result.epoch != state.epoch ||
      result.step != state.stats.steps || result.group != state.group)
    return committed;
  state.phase = State::Phase::between;
  state.stats.last_step_sequences = std::int32_t(state.in_flight.size());
  state.stats.last_step_tokens = 0;
  auto output = result.outputs.begin();
  for (const State::Part& part : state.in_flight) {
    state.stats.last_step_tokens += part.tokens;
    Sequence* sequence = state.find(part.sequence);
    if (sequence) state.advance(*sequence, part.tokens);
    if (!part.samples) continue;
    CHECK(output != result.outputs.end() && output->sequence == part.sequence, "a step's outputs do not fit");
    if (sequence) {
      const auto position = std::uint64_t(sequence->outputs());
      const FinishReason finish = sequence->append(output->token, state.limits.max_model_len);
      committed.push_back({part.sequence, position, *output, finish});
      if (finish != FinishReason::none) state.forget(*sequence);
    }
    ++output;
  }
  CHECK(output == result.outputs.end(), "a step has more outputs than samples");
  return committed;
}

// Only now others may share what the step has filled.
void Scheduler::State::advance(Sequence& sequence, std::int32_t tokens) {
  const std::int32_t begin = sequence.computed, end = begin + tokens;
  const std::int32_t prompt = sequence.submission.prompt_tokens;
  stats.prompt_tokens_computed += std::uint64_t(std::max(0, std::min(end, prompt) - begin));
  stats.replayed_tokens +=
      std::uint64_t(std::max(0, std::min(end, sequence.replay_end) - std::max(begin, prompt)));
  sequence.computed = end;
  if (!limits.prefix_caching) return;
  const std::int32_t before = begin / limits.block_size, after = end / limits.block_size;
  const auto hashes = sequence.hashes_of(after, limits.block_size);
  for (std::int32_t i = before; i < after; ++i)
    filled.push_back({sequence.submission.sequence, i, hashes[std::size_t(i)]});
}

}  // namespace troupe::runtime
