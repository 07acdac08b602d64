#include "runtime/lab/schedule_replay.hpp"

#include <algorithm>

namespace troupe::runtime::lab {
namespace {

constexpr TokenId stop_token = -3;  // is no word, and nothing else either
constexpr std::int32_t most_groups = 1024, most_blocks = 1 << 28, most_tokens = 1 << 24,
                       most_sequences = 1 << 20;

TimePoint moment(std::int64_t nanoseconds) {  // none is that of an unset clock
  return TimePoint() + std::chrono::hours(1) +
         std::chrono::duration_cast<Duration>(std::chrono::nanoseconds(nanoseconds));
}

bool within(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value >= low && value <= high;
}

}  // namespace

ScheduleReplay::ScheduleReplay(const RecordedSchedule& schedule)
    : schedule_(schedule), words_(schedule.events) {}

void ScheduleReplay::check(bool possible, const char* what) const {
  if (!possible) throw Error(what, "event " + std::to_string(at_) + " of the recorded schedule");
}

StepCycle& ScheduleReplay::cycle() {
  check(cycle_.has_value(), "nothing has begun yet");
  return *cycle_;
}

const ServiceReport& ScheduleReplay::run() {
  for (at_ = 0; at_ < schedule_.events.size(); ++at_) {
    const RecordedEvent& event = schedule_.events[at_];
    check(planned_.empty() || std::holds_alternative<RecordedStep>(event.what),
          "a step is planned that was not: another version of the program, or of a plugin, recorded it");
    now_ = double(event.time) * 1e-9;
    if (cycle_) cycle_->time_is(moment(event.time));
    std::visit([this](const auto& each) { play(each); }, event.what);
  }
  report_.seconds = now_;
  return report_;
}

void ScheduleReplay::play(const CycleBegan& event) {
  limits_ = event.limits;
  groups_ = event.groups;
  check(within(groups_, 1, most_groups) && within(limits_.block_size, 1, most_tokens) &&
            within(limits_.max_num_batched_tokens, 1, most_tokens) &&
            within(limits_.max_num_seqs, 1, most_sequences) && within(limits_.max_steps_in_flight, 1, 2) &&
            within(limits_.speculation.tokens, 0, most_tokens) &&
            within(limits_.max_model_len, 1, most_tokens),
        "there can be no such limits");
  pools_.clear();
  asked_.clear();
  interrupted_.merge(live_);
  live_.clear();
  cycle_.emplace(
      limits_, [&] { return make_policy(event.policy.name, event.policy.options, "the recorded schedule"); },
      groups_, event.epoch);
  cycle_->time_is(moment(schedule_.events[at_].time));
}

void ScheduleReplay::play(const PolicyChanged& event) {
  take(cycle().use_policy(event.policy));
}

void ScheduleReplay::play(const EpochBegan& event) {
  take(cycle().begin_epoch(event.epoch));
}

void ScheduleReplay::play(const EpochEnded& event) {
  check(event.next > cycle().epoch(), "epochs only grow");
  for (const GroupId group : event.lost) {
    check(group < GroupId(groups_) && std::ranges::count(event.lost, group) == 1, "there is no such group");
    pools_.erase(group);
  }
  for (auto& [id, live] : live_) live.length = live.committed;
  const auto stopped = cycle().stop_epoch(event.next, event.lost, event.how);
  for (const SequenceId each : stopped.interrupted) interrupted_.insert(live_.extract(each));
  if (stopped.quarantined) live_.erase(*stopped.quarantined);
}

void ScheduleReplay::play(const RecordedSubmission& event) {
  check(!live_.contains(event.sequence), "a sequence was submitted twice");
  // Whether it could begin in time may have been known from what was recorded before this part, and is taken from there.
  if (event.urgent && !event.accepted) return void(++report_.refused);
  check(within(event.tokens, 0, most_tokens) && within(event.prompt_tokens, 0, event.tokens),
        "there is no such sequence");
  auto work = cycle().submit(submission_of(event), event.held);
  check(work.has_value() == event.accepted,
        "a sequence is accepted that was refused, or the other way round");
  if (!work) return void(++report_.refused);
  Live live;
  if (const auto before = interrupted_.extract(event.sequence)) {
    live = before.mapped();
  } else {
    live.request.arrived = event.timed ? double(event.arrived) * 1e-9 : now_;
    live.request.prompt_tokens = event.prompt_tokens;
    live.request.caller = event.caller;
    live.request.slo = event.slo;
  }
  live.length = live.committed = event.tokens;
  live_.emplace(event.sequence, live);
  report_.arriving = now_;
  report_.most_live = std::max(report_.most_live, std::uint64_t(live_.size()));
  take(std::move(*work));
}

Submission ScheduleReplay::submission_of(const RecordedSubmission& event) const {
  Submission submission;
  submission.sequence = event.sequence;
  for (std::int32_t i = 0; i < event.tokens; ++i) submission.tokens.push_back(words_.at(event.sequence, i));
  submission.prompt_tokens = event.prompt_tokens;
  submission.max_output_tokens = event.max_output_tokens;
  if (event.wants_prompt_logprobs) submission.sampling.prompt_logprobs = 0;
  submission.stop_ids = {stop_token};
  submission.priority = event.priority;
  submission.arrival = event.arrival;
  submission.resubmitted = event.resubmitted;
  submission.caller = event.caller;
  if (event.timed) submission.arrived = moment(event.arrived);
  submission.slo = event.slo;
  submission.predicted_output = event.predicted_output;
  return submission;
}

void ScheduleReplay::play(const SequenceTold& event) {
  switch (event.news) {
    case SequenceNews::hold:
      return take(cycle().hold(event.sequence));
    case SequenceNews::release:
      return take(cycle().release(event.sequence));
    case SequenceNews::pause:
      return take(cycle().pause(event.sequence));
    case SequenceNews::resume:
      return take(cycle().resume(event.sequence));
    case SequenceNews::cancel:
      cancelled_ += live_.erase(event.sequence) + interrupted_.erase(event.sequence);
      return take(cycle().cancel(event.sequence));
    case SequenceNews::late:  // deadlines are not recorded, so that the cycle does not know by itself
      report_.refused += live_.erase(event.sequence);
      return cycle().forget_late(event.sequence);
  }
  check(false, "there are no such news");
}

// The pool answers when its answer came. Of a cache that is lost some answers never come.
void ScheduleReplay::play(const BlocksReplied& event) {
  auto& asked = asked_[event.group];
  const auto found = std::ranges::find(asked, event.generation, &BlockRequest::generation);
  check(found != asked.end(), "a reply to what nobody asked");
  check(within(event.total_blocks, 1, most_blocks), "there is no such pool");
  const BlockRequest request = std::move(*found);
  asked.erase(found);
  BlockReply reply{event.group, event.generation, {}, {}, {}};
  if (event.generation == cycle().scheduler().generation(event.group)) {
    const auto pool = pools_.try_emplace(event.group, event.total_blocks, limits_.block_size,
                                         limits_.prefix_caching, event.generation);
    reply = pool.first->second.reserve(request);
  }
  take(cycle().replied(std::move(reply), event.asked_in));
}

void ScheduleReplay::play(const RecordedResult& event) {
  check(event.group < GroupId(groups_), "there is no such group");
  const auto before = cycle().scheduler().steps_committed();
  auto commit = cycle().finished(result_of(event));
  check(commit.result == StepCycle::Result::noted || commit.result == StepCycle::Result::committed,
        "a result that does not fit its step");
  report_.steps += cycle().scheduler().steps_committed() - before;
  report_.step.add(event.times.compute_seconds + event.times.prediction_seconds);
  report_.computing += (event.times.compute_seconds + event.times.prediction_seconds) / groups_;
  for (const CommittedToken& token : commit.tokens) take(token);
  take(std::move(commit.work));
}

StepResult ScheduleReplay::result_of(const RecordedResult& event) {
  StepResult result{event.epoch, event.step, event.group, {}, event.times, {}};
  for (const RecordedOutput& each : event.outputs) {
    check(within(each.sampled, 1, most_tokens) && within(each.before_end, 0, each.sampled),
          "there is no such output");
    SequenceOutput& output = result.outputs.emplace_back(SequenceOutput{each.sequence, {}, each.forced});
    const auto found = live_.find(each.sequence);
    for (std::int32_t i = 0; i < each.sampled; ++i) {
      const std::int32_t position = found == live_.end() ? i : found->second.length + i;
      output.sampled.push_back({words_.at(each.sequence, position), 0, {}});
    }
    if (each.end != RecordedEnd::none && each.before_end < each.sampled)
      output.sampled[std::size_t(each.before_end)].token =
          each.end == RecordedEnd::stop ? stop_token : no_token;
    if (found == live_.end()) continue;
    found->second.length += each.sampled;
  }
  return result;
}

void ScheduleReplay::play(const RecordedStep& event) {
  const RecordedStep planned = without_text({std::exchange(planned_, {})});
  check(!planned.plans.empty(), "a step was planned that is not");
  const std::string plans = packed_bytes(planned);
  if (plans != packed_bytes(event))
    throw Error("is not planned as it was", "step " + std::to_string(planned.plans.front().step) +
                                                " of the recorded schedule, event " + std::to_string(at_));
  if (on_step) on_step(plans);
}

void ScheduleReplay::take(StepCycle::Work work) {
  for (const StepPlan& plan : work.plans) admit(plan);
  planned_ = std::move(work.plans);
  for (BlockRequest& request : work.requests) asked_[request.group].push_back(std::move(request));
}

void ScheduleReplay::admit(const StepPlan& plan) {
  for (const Begin& begin : plan.begin) {
    const auto found = live_.find(begin.sequence);
    if (found != live_.end() && std::exchange(found->second.waits, false))
      found->second.request.admitted = now_;
  }
}

void ScheduleReplay::take(const CommittedToken& token) {
  const auto found = live_.find(token.sequence);
  if (found == live_.end()) return;
  Live& live = found->second;
  ++live.committed;
  ServedRequest& request = live.request;
  request.token_came(now_, token.cached_tokens);
  if (token.finish == FinishReason::none) return;
  request.ended = now_;
  report_.add(request);
  live_.erase(found);
}

}  // namespace troupe::runtime::lab
