// A step of one group: propose, dispose, plan, commit.
#include <algorithm>

#include "runtime/scheduling/group_scheduler.hpp"

namespace troupe::runtime {

std::optional<BlockRequest> GroupScheduler::propose() {
  if (asked_) return std::nullopt;
  rank();
  BlockRequest request;
  request.group = group_;
  request.generation = generation_;
  request.wants = wants();
  request.filled = std::exchange(filled_, {});
  request.released = std::exchange(released_, {});
  if (request.wants.empty() && request.filled.empty() && request.released.empty()) return std::nullopt;
  for (auto each = ranked_.rbegin(); each != ranked_.rend(); ++each)
    request.preemption_order.push_back(each->first->submission.sequence);
  asked_ = true;
  return request;
}

// Everyone, most urgent first: those that the policy named in its order, then those that it forgot, then the
// paused, each in order of arrival.
void GroupScheduler::rank() {
  ++proposals_;
  views_.clear();
  proposal_.shares.clear();
  ranked_.clear();
  for (const auto& [place, sequence] : by_arrival_)
    if (!sequence.paused) views_.push_back(sequence.view());
  policy_->propose({views_}, limits_.max_num_batched_tokens, proposal_);
  for (const Share& share : proposal_.shares) {
    Sequence* sequence = find(share.sequence);
    if (!sequence || sequence->paused || std::exchange(sequence->ranked_in, proposals_) == proposals_)
      continue;
    ranked_.emplace_back(sequence, share.tokens);
  }
  if (ranked_.size() == by_id_.size()) return;
  for (bool paused : {false, true})
    for (auto& [place, sequence] : by_arrival_)
      if (sequence.paused == paused && sequence.ranked_in != proposals_) ranked_.emplace_back(&sequence, 0);
}

// In the ranked order, trimmed to the token budget and to max_num_seqs.
std::vector<BlockWant> GroupScheduler::wants() {
  std::vector<BlockWant> wants;
  std::int32_t budget = limits_.max_num_batched_tokens;
  std::size_t last = ranked_.size();  // whoever ranks from here on holds no seat
  std::int32_t seats = running_;
  for (std::size_t i = 0; i < last && budget > 0; ++i) {
    const auto [sequence, proposed] = ranked_[i];
    const std::int32_t tokens = std::min({proposed, sequence->pending(), budget});
    if (tokens <= 0) continue;
    if (!sequence->running) {
      if (seats < limits_.max_num_seqs) {
        ++seats;
      } else {  // the least urgent gives up its seat, as it would its blocks
        do --last;
        while (last > i && !ranked_[last].first->running);
        if (last == i) break;
        released_.push_back(ranked_[last].first->submission.sequence);
        preempt(*ranked_[last].first);
      }
    }
    budget -= tokens;
    wants.push_back(want(*sequence, tokens));
  }
  return wants;
}

BlockWant GroupScheduler::want(Sequence& sequence, std::int32_t tokens) const {
  BlockWant want{sequence.submission.sequence, sequence.computed, tokens, sequence.length(), {}};
  if (!sequence.running && limits_.prefix_caching) {
    // The last token is always computed: its logits are what the next one is sampled from.
    const auto hashes = sequence.hashes_of((sequence.length() - 1) / limits_.block_size, limits_.block_size);
    want.prefix.assign(hashes.begin(), hashes.end());
  }
  return want;
}

bool GroupScheduler::dispose(BlockReply reply) {
  if (reply.generation != generation_ || !asked_) return false;
  asked_ = false;
  known_.limit(std::size_t(reply.usage.total));
  for (SequenceId victim : reply.preempted)
    if (Sequence* sequence = find(victim)) preempt(*sequence);
  for (const BlockGrant& grant : reply.grants)
    if (Sequence* sequence = find(grant.sequence)) seat(*sequence, grant);
  if (!std::exchange(void_, false)) grants_ = std::move(reply.grants);
  return true;
}

void GroupScheduler::seat(Sequence& sequence, const BlockGrant& grant) {
  CHECK(grant.new_tokens > 0 && grant.computed + grant.new_tokens <= sequence.length(),
        "a grant past the sequence's end");
  if (remembers_prefixes_ && !sequence.running && limits_.prefix_caching) {
    // A prefix that was found is young again; its start stays the longest, as in the pool.
    const auto found = sequence.hashes_of(grant.computed / limits_.block_size, limits_.block_size);
    for (auto hash = found.rbegin(); hash != found.rend(); ++hash) known_.remember(*hash);
  }
  running_ += !sequence.running;
  sequence.running = true;
  sequence.computed = grant.computed;
  if (sequence.found < 0) sequence.found = grant.computed;
}

GroupPlan GroupScheduler::plan() {
  GroupPlan plan{group_, {}};
  in_flight_.clear();
  for (BlockGrant& grant : grants_)
    if (const Sequence* sequence = find(grant.sequence))
      plan.slices.push_back(slice(*sequence, std::move(grant)));
  grants_.clear();
  return plan;
}

Slice GroupScheduler::slice(const Sequence& sequence, BlockGrant grant) {
  const Submission& submission = sequence.submission;
  const std::int32_t end = grant.computed + grant.new_tokens;
  Slice slice{submission.sequence,
              {submission.tokens.begin() + grant.computed, submission.tokens.begin() + end},
              grant.computed,
              std::move(grant.blocks),
              end == sequence.length(),
              submission.sampling,
              std::uint64_t(sequence.outputs())};
  in_flight_.push_back({slice.sequence, grant.new_tokens, slice.samples});
  return slice;
}

void GroupScheduler::commit(StepResult result, std::vector<CommittedToken>& committed) {
  stats_.last_step_sequences = std::int32_t(in_flight_.size());
  stats_.last_step_tokens = 0;
  auto output = result.outputs.begin();
  for (const Part& part : in_flight_) {
    stats_.last_step_tokens += part.tokens;
    Sequence* sequence = find(part.sequence);
    if (sequence) advance(*sequence, part.tokens);
    if (!part.samples) continue;
    CHECK(output != result.outputs.end() && output->sequence == part.sequence, "a step's outputs do not fit");
    if (sequence) {
      const auto position = std::uint64_t(sequence->outputs());
      const FinishReason finish = sequence->append(output->sampled.token, limits_.max_model_len);
      tokens_ += finish != FinishReason::error;
      committed.push_back({part.sequence, position, std::move(output->sampled), finish, sequence->found});
      if (finish == FinishReason::error)  // nobody shall share what led to it
        std::erase_if(filled_, [&](const auto& block) { return block.sequence == part.sequence; });
      if (finish != FinishReason::none) forget(*sequence);
    }
    ++output;
  }
  CHECK(output == result.outputs.end(), "a step has more outputs than samples");
}

bool GroupScheduler::fits(const StepResult& result) const {
  auto output = result.outputs.begin();
  for (const Part& part : in_flight_)
    if (part.samples && (output == result.outputs.end() || output++->sequence != part.sequence)) return false;
  return output == result.outputs.end();
}

// Only now others may share what the step has filled.
void GroupScheduler::advance(Sequence& sequence, std::int32_t tokens) {
  const std::int32_t begin = sequence.computed, end = begin + tokens;
  const std::int32_t prompt = sequence.submission.prompt_tokens;
  stats_.prompt_tokens_computed += std::uint64_t(std::max(0, std::min(end, prompt) - begin));
  stats_.replayed_tokens +=
      std::uint64_t(std::max(0, std::min(end, sequence.replay_end) - std::max(begin, prompt)));
  sequence.computed = end;
  if (!limits_.prefix_caching) return;
  const std::int32_t before = begin / limits_.block_size, after = end / limits_.block_size;
  const auto hashes = sequence.hashes_of(after, limits_.block_size);
  for (std::int32_t i = before; i < after; ++i) {
    filled_.push_back({sequence.submission.sequence, i, hashes[std::size_t(i)]});
    if (remembers_prefixes_) known_.remember(hashes[std::size_t(i)]);
  }
}

}  // namespace troupe::runtime
