#include "runtime/scheduler.hpp"

#include <string>

#include "runtime/scheduler_state.hpp"

namespace troupe::runtime {
namespace {

Expected<void> check_submission(const Submission& submission, std::int32_t max_model_len) {
  const auto length = std::int64_t(submission.tokens.size());
  if (submission.prompt_tokens < 1 || submission.prompt_tokens > length)
    return refuse("the prompt must hold at least one token");
  if (length - submission.prompt_tokens >= submission.max_output_tokens)
    return refuse("at least one token must be asked for, got " + std::to_string(submission.max_output_tokens),
                  "max_tokens");
  if (length >= max_model_len)
    return refuse("the context length is " + std::to_string(max_model_len) +
                      " tokens, one of which is for output; the prompt has " + std::to_string(length),
                  {}, "context_length_exceeded");
  return {};
}

}  // namespace

Scheduler::Scheduler(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, Epoch epoch,
                     GroupId group)
    : state_(std::make_unique<State>()) {
  CHECK(limits.max_num_batched_tokens > 0 && limits.max_num_seqs > 0 && limits.block_size > 0);
  CHECK(policy != nullptr);
  state_->limits = limits;
  state_->policy = std::move(policy);
  state_->epoch = epoch;
  state_->group = group;
}

Scheduler::~Scheduler() = default;

Expected<void> Scheduler::submit(Submission submission) {
  State& state = *state_;
  const SequenceId id = submission.sequence;
  CHECK(!state.by_id.contains(id), "a sequence was submitted twice");
  if (auto checked = check_submission(submission, state.limits.max_model_len); !checked) return checked;
  const bool back = state.expected_back.erase(id) > 0;
  if (!back && state.waiting() >= state.limits.max_waiting)
    return refuse(RefusalKind::unavailable,
                  "the queue is full: " + std::to_string(state.limits.max_waiting) + " sequences wait", {},
                  "queue_full");
  const std::pair place(submission.arrival, id);
  Sequence& sequence = state.by_arrival[place];
  sequence.submission = std::move(submission);
  sequence.replay_end = sequence.length();
  state.by_id.emplace(id, &sequence);
  return {};
}

void Scheduler::cancel(SequenceId id) {
  state_->expected_back.erase(id);
  if (Sequence* sequence = state_->find(id)) state_->forget(*sequence);
}

void Scheduler::pause(SequenceId id) {
  Sequence* sequence = state_->find(id);
  if (sequence && !std::exchange(sequence->paused, true)) ++state_->paused;
}

void Scheduler::resume(SequenceId id) {
  Sequence* sequence = state_->find(id);
  if (sequence && std::exchange(sequence->paused, false)) --state_->paused;
}

std::vector<SequenceId> Scheduler::start_epoch(Epoch epoch) {
  State& state = *state_;
  CHECK(epoch > state.epoch, "epochs only grow");
  state.epoch = epoch;
  std::vector<SequenceId> forgotten;
  for (const auto& [place, sequence] : state.by_arrival) forgotten.push_back(place.second);
  state.by_arrival.clear();
  state.by_id.clear();
  state.expected_back.insert(forgotten.begin(), forgotten.end());
  state.running = state.paused = 0;
  state.phase = State::Phase::between;
  state.in_flight.clear();
  state.filled.clear();
  state.released.clear();
  return forgotten;
}

bool Scheduler::idle() const {
  return std::size_t(state_->paused) == state_->by_id.size();
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats stats = state_->stats;
  stats.running = state_->running;
  stats.waiting = state_->waiting();
  return stats;
}

const SchedulerLimits& Scheduler::limits() const {
  return state_->limits;
}

Sequence* Scheduler::State::find(SequenceId id) const {
  const auto found = by_id.find(id);
  return found == by_id.end() ? nullptr : found->second;
}

void Scheduler::State::forget(Sequence& sequence) {
  const std::pair place(sequence.submission.arrival, sequence.submission.sequence);
  // While a request is unanswered, the sequence may hold blocks that the scheduler has not heard of.
  if (sequence.running || phase == Phase::asked) released.push_back(place.second);
  running -= sequence.running;
  paused -= sequence.paused;
  by_id.erase(place.second);
  by_arrival.erase(place);
}

void Scheduler::State::preempt(Sequence& sequence) {
  running -= sequence.running;
  sequence.lose_blocks();
  ++stats.preemptions;
}

}  // namespace troupe::runtime
