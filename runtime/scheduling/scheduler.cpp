#include "runtime/scheduling/scheduler.hpp"

#include <algorithm>
#include <string>
#include <utility>

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

std::vector<std::unique_ptr<BatchPolicy>> made(const PolicyFactory& make_policy, std::size_t groups) {
  std::vector<std::unique_ptr<BatchPolicy>> policies;
  while (policies.size() < groups) policies.push_back(make_policy());
  return policies;
}

}  // namespace

Scheduler::Scheduler(const SchedulerLimits& limits, const PolicyFactory& make_policy, std::int32_t groups,
                     Epoch epoch)
    : limits_(limits), epoch_(epoch), asked_(std::size_t(groups)) {
  CHECK(groups > 0);
  groups_.reserve(std::size_t(groups));
  for (GroupId group = 0; group < GroupId(groups); ++group)
    groups_.emplace_back(limits, make_policy(), group, epoch);
}

const GroupScheduler* Scheduler::group_of(SequenceId id) const {
  const auto found = std::ranges::find_if(groups_, [&](const auto& group) { return group.has(id); });
  return found == groups_.end() ? nullptr : &*found;
}

GroupScheduler* Scheduler::group_of(SequenceId id) {
  return const_cast<GroupScheduler*>(std::as_const(*this).group_of(id));
}

void Scheduler::time_is(TimePoint now) {
  now_ = now;
  for (GroupScheduler& group : groups_) group.time_is(now);
}

void Scheduler::use_policy(const PolicyFactory& make_policy) {
  auto policies = made(make_policy, groups_.size());
  for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].use_policy(std::move(policies[i]));
}

void Scheduler::shadow_with(const PolicyFactory& make_policy) {
  auto policies = made(make_policy, groups_.size());
  for (std::size_t i = 0; i < groups_.size(); ++i) groups_[i].shadow_with(std::move(policies[i]));
}

Expected<void> Scheduler::submit(Submission submission, bool held) {
  CHECK(!group_of(submission.sequence), "a sequence was submitted twice");
  if (auto checked = check_submission(submission, limits_.max_model_len); !checked) return checked;
  // A replay was accepted once already: a full queue is no reason to lose it.
  if (!submission.resubmitted)
    if (auto admitted = admit(submission, waiting_before(submission), limits_, drain_, now_); !admitted)
      return admitted;
  Sequence sequence;
  sequence.submission = std::move(submission);
  sequence.replay_end = sequence.length();
  sequence.held = held;
  sequence.suspect_row = suspects_.first_row(sequence.submission.sequence);
  sequence.withheld = !suspects_.may_run(sequence.submission.sequence);
  if (sequence.submission.arrived == TimePoint{}) sequence.submission.arrived = now_;
  GroupScheduler& group = group_for(sequence);
  group.add(std::move(sequence));
  return {};
}

Waiting Scheduler::waiting_before(const Submission& newcomer) const {
  Waiting waiting;
  for (const GroupScheduler& group : groups_) group.add_waiting(newcomer, waiting);
  return waiting;
}

std::int32_t Scheduler::retry_after() const {
  return runtime::retry_after(drain_, waiting_before({}).all.tokens);
}

bool Scheduler::has_begun(SequenceId sequence) const {
  const GroupScheduler* group = group_of(sequence);
  return !group || group->has_begun(sequence);
}

// Where the longest prefix is cached, then where there is least to do. A wrong guess at a prefix costs that
// it is computed again, and nothing else.
GroupScheduler& Scheduler::group_for(Sequence& sequence) {
  if (groups_.size() == 1) return groups_.front();
  std::span<const BlockHash> hashes;
  if (limits_.prefix_caching)
    hashes = sequence.hashes_of((sequence.length() - 1) / limits_.block_size, limits_.block_size);
  return *std::ranges::min_element(groups_, {}, [&](const GroupScheduler& group) {
    return std::pair(-std::int64_t(group.known_prefix(hashes)), group.tokens());
  });
}

void Scheduler::cancel(SequenceId sequence) {
  if (GroupScheduler* group = group_of(sequence)) group->cancel(sequence);
  suspects_.leave(sequence);
}

// Its token comes with its own step, behind those in flight.
std::vector<SequenceId> Scheduler::late() const {
  std::vector<SequenceId> late;
  if (const auto step = drain_.step_time())
    for (const GroupScheduler& group : groups_)
      group.add_late(now_ + *step * (std::int64_t(in_flight_.size()) + 1), late);
  return late;
}

void Scheduler::pause(SequenceId sequence) {
  if (GroupScheduler* group = group_of(sequence)) group->pause(sequence);
}

void Scheduler::resume(SequenceId sequence) {
  if (GroupScheduler* group = group_of(sequence)) group->resume(sequence);
}

void Scheduler::hold(SequenceId sequence) {
  if (GroupScheduler* group = group_of(sequence)) group->hold(sequence);
}

void Scheduler::release(SequenceId sequence) {
  if (GroupScheduler* group = group_of(sequence)) group->release(sequence);
}

std::vector<BlockRequest> Scheduler::propose() {
  std::vector<BlockRequest> requests;
  if (suspects_.any()) take_turns();
  if (anybody_asked() || std::int32_t(in_flight_.size()) >= limits_.max_steps_in_flight) return requests;
  const bool stream_waits = std::ranges::any_of(groups_, &GroupScheduler::stream_waits);
  for (GroupScheduler& group : groups_)
    if (auto request = group.propose(costs_, stream_waits)) {
      asked_[request->group] = true;
      requests.push_back(std::move(*request));
    }
  return requests;
}

bool Scheduler::anybody_asked() const {
  return std::ranges::find(asked_, true) != asked_.end();
}

std::vector<StepPlan> Scheduler::dispose(BlockReply reply) {
  const GroupId group = reply.group;
  CHECK(group < groups_.size(), "a reply of a group that the replica has not");
  if (!groups_[group].dispose(std::move(reply))) return {};
  const bool awaited = asked_[group];
  asked_[group] = false;
  if (!awaited || anybody_asked()) return {};
  return plan();
}

std::vector<StepPlan> Scheduler::plan() {
  std::vector<StepPlan> plans;
  if (std::ranges::none_of(groups_, &GroupScheduler::granted)) return plans;
  interrupted_ = {};
  Step& step = in_flight_.emplace_back();
  step.id = ++steps_;
  step.results.resize(groups_.size());
  std::vector<std::int32_t> rows, samples;
  std::int32_t predictions = 0;  // the ranks of all groups meet in each run
  for (const GroupScheduler& group : groups_) predictions = std::max(predictions, group.wanted_predictions());
  step.predictions = predictions;
  for (GroupScheduler& group : groups_) {
    StepPlan& part = plans.emplace_back(group.plan(predictions));
    rows.push_back(0);
    samples.push_back(std::int32_t(std::ranges::count(part.extend, true, &Extend::samples)));
    for (const Extend& each : part.extend) rows.back() += each.rows;
  }
  for (StepPlan& part : plans) {
    part.epoch = epoch_;
    part.step = step.id;
    part.after = last_in_epoch_;
    const bool last = &part == &plans.back();
    part.group_rows = last ? std::move(rows) : rows;
    part.group_samples = last ? std::move(samples) : samples;
  }
  last_in_epoch_ = step.id;
  measure_drain();
  return plans;
}

void Scheduler::measure_drain() {
  std::int64_t begun = 0;
  bool backed_up = false;
  for (GroupScheduler& group : groups_) {
    begun += group.take_begun();
    backed_up |= group.backed_up();
  }
  drain_.planned(now_, begun, backed_up);
}

const Scheduler::Step* Scheduler::awaiting(const StepResult& result) const {
  const auto step = std::ranges::find(in_flight_, result.step, &Step::id);
  const bool awaited = step != in_flight_.end() && result.epoch == epoch_ && result.group < groups_.size() &&
                       !step->results[result.group];
  return awaited ? &*step : nullptr;
}

bool Scheduler::fits(const StepResult& result) const {
  const Step* step = awaiting(result);
  return !step || groups_[result.group].fits(result, std::size_t(step->id - in_flight_.front().id));
}

std::vector<CommittedToken> Scheduler::commit(StepResult result) {
  std::vector<CommittedToken> committed;
  const Step* awaited = awaiting(result);
  if (!awaited) return committed;
  Step& step = in_flight_[std::size_t(awaited->id - in_flight_.front().id)];
  step.results[result.group] = std::move(result);
  const auto is_in = [](const auto& result) { return result.has_value(); };
  for (; !in_flight_.empty() && std::ranges::all_of(in_flight_.front().results, is_in);
       in_flight_.pop_front()) {
    ++committed_;
    learn(in_flight_.front());
    for (std::size_t i = 0; i < groups_.size(); ++i)
      groups_[i].commit(std::move(*in_flight_.front().results[i]), committed);
  }
  if (suspects_.any()) clear_suspects(committed);
  return committed;
}

// Its groups compute side by side: the slowest, with the most to do, says how long it takes.
void Scheduler::learn(const Step& step) {
  StepWork most;
  StepTimes longest;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const StepWork work = groups_[i].oldest_work();
    const StepTimes& times = step.results[i]->times;
    most = {std::max(most.rows, work.rows), std::max(most.attended, work.attended),
            std::max(most.logits, work.logits)};
    longest = {std::max(longest.compute_seconds, times.compute_seconds),
               std::max(longest.prediction_seconds, times.prediction_seconds)};
  }
  costs_.step.learn(most, longest.compute_seconds);
  if (step.predictions == 1) costs_.prediction.learn(most, longest.prediction_seconds);
  if (step.predictions > 1)  // the later runs have fewer rows, and are not told apart
    costs_.prediction.learn(most, longest.prediction_seconds / step.predictions);
}

std::vector<SequenceId> Scheduler::start_epoch(Epoch epoch, std::span<const GroupId> lost,
                                               const EpochEnd& how) {
  CHECK(epoch > epoch_, "epochs only grow");
  note_in_flight(how);
  find_killer(how);
  epoch_ = epoch;
  asked_.assign(groups_.size(), false);
  in_flight_.clear();
  last_in_epoch_ = 0;
  drain_.paused();
  for (GroupScheduler& group : groups_) group.void_steps();
  std::vector<GroupScheduler::Place> forgotten;
  for (GroupId group : lost) std::ranges::copy(groups_.at(group).lose_cache(epoch), back_inserter(forgotten));
  std::ranges::sort(forgotten);  // oldest first, so that replays keep the order of arrival
  std::vector<SequenceId> sequences;
  for (const auto& [arrival, sequence] : forgotten) sequences.push_back(sequence);
  return sequences;
}

// A link breaks before its worker is known to be dead.
void Scheduler::note_in_flight(const EpochEnd& how) {
  if (how.cause == EpochEnd::Cause::orderly) interrupted_ = {};
  if (how.cause == EpochEnd::Cause::orderly || in_flight_.empty()) return;
  interrupted_ = {epoch_, in_flight_.front().id, {}};
  for (std::size_t steps = 1; steps <= in_flight_.size(); ++steps) {
    auto& rows = interrupted_.rows.emplace_back();
    for (const GroupScheduler& group : groups_) group.add_rows_in_flight(steps, rows);
  }
}

// In the steps that the worker had begun. Of all groups: their ranks compute experts for each other.
void Scheduler::find_killer(const EpochEnd& how) {
  quarantined_.reset();
  search_advanced_ = false;
  const bool died = how.cause == EpochEnd::Cause::killed || how.cause == EpochEnd::Cause::died;
  if (!died || interrupted_.epoch != how.epoch || how.step < interrupted_.first) return;
  const Interrupted last = std::exchange(interrupted_, {});
  if (last.rows.empty()) return;
  const auto& rows = last.rows[std::min(std::size_t(how.step - last.first), last.rows.size() - 1)];
  for (const SequenceId each : suspects_.sequences())  // whoever has not come again by now never will
    if (!group_of(each) && std::ranges::count(rows, each, &RowsInFlight::sequence) == 0)
      suspects_.leave(each);
  quarantined_ = suspects_.strike(how.cause, rows);
  search_advanced_ = suspects_.narrowed() && committed_ > committed_at_verdict_;
  for (const SequenceId each : suspects_.sequences())
    if (GroupScheduler* group = group_of(each)) group->suspect(each, suspects_.first_row(each));
  if (!quarantined_) return;
  committed_at_verdict_ = committed_;
  if (GroupScheduler* group = group_of(*quarantined_))
    group->cancel(*quarantined_);
  else  // it was cancelled since the steps were interrupted
    quarantined_.reset();
}

void Scheduler::clear_suspects(const std::vector<CommittedToken>& committed) {
  for (const CommittedToken& token : committed)
    if (token.finish != FinishReason::none) suspects_.leave(token.sequence);
  for (const SequenceId each : suspects_.sequences())
    if (GroupScheduler* group = group_of(each); group && suspects_.computed(each, group->computed(each)))
      group->suspect(each, 0);
}

// Before a step is proposed, when owners had time to submit again.
void Scheduler::take_turns() {
  const auto can_run = [this](SequenceId id) {
    const GroupScheduler* group = group_of(id);
    return group && group->can_run(id);
  };
  if (!suspects_.take_turns(can_run)) return;
  for (GroupScheduler& group : groups_)
    group.withhold([this](SequenceId id) { return !suspects_.may_run(id); });
}

bool Scheduler::withheld(SequenceId sequence) const {
  const GroupScheduler* group = group_of(sequence);
  return group && group->withheld(sequence);
}

bool Scheduler::idle() const {
  return std::ranges::all_of(groups_, &GroupScheduler::idle);
}

SchedulerStats Scheduler::stats() const {
  SchedulerStats sum;
  sum.steps = committed_;
  if (!groups_.front().goes_by_priority())
    sum.newcomers_wait = drain_.time_to_token_behind(waiting_before({}).all.tokens);
  for (const GroupScheduler& group : groups_) {
    const GroupStats& each = sum.groups.emplace_back(group.stats());
    sum.running += each.running;
    sum.waiting += each.waiting;
    sum.resting += each.resting;
    sum.deferred += each.deferred;
    sum.total_blocks += each.total_blocks;
    sum.free_blocks += each.free_blocks;
    sum.policy_failures += each.policy_failures;
    sum.shadow += each.shadow;
    sum.preemptions += each.preemptions;
    sum.prompt_tokens_computed += each.prompt_tokens_computed;
    sum.replayed_tokens += each.replayed_tokens;
    sum.drafts += each.drafts;
    sum.draft_tokens += each.draft_tokens;
    sum.accepted_tokens += each.accepted_tokens;
    sum.accepted_at.resize(std::max(sum.accepted_at.size(), each.accepted_at.size()));
    for (std::size_t i = 0; i < each.accepted_at.size(); ++i) sum.accepted_at[i] += each.accepted_at[i];
    sum.forced_tokens += each.forced_tokens;
    sum.accepted_forced_tokens += each.accepted_forced_tokens;
    sum.last_step_sequences += each.last_step_sequences;
    sum.last_step_tokens += each.last_step_tokens;
    sum.last_step_budget += each.last_step_budget;
  }
  return sum;
}

}  // namespace troupe::runtime
