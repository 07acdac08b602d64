#include "runtime/scheduling/group_scheduler.hpp"

#include <algorithm>

namespace troupe::runtime {

GroupScheduler::GroupScheduler(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy,
                               GroupId group, std::uint64_t generation)
    : limits_(limits),
      group_(group),
      generation_(generation),
      acceptance_(Acceptance::of(limits.speculation.method)) {
  CHECK(limits.max_num_batched_tokens > 0 && limits.max_num_seqs > 0 && limits.block_size > 0);
  use_policy(std::move(policy));
}

void GroupScheduler::use_policy(std::unique_ptr<BatchPolicy> policy) {
  CHECK(policy != nullptr);
  policy_ = std::move(policy);
}

void GroupScheduler::shadow_with(std::unique_ptr<BatchPolicy> policy) {
  CHECK(policy != nullptr);
  shadow_.emplace(std::move(policy));
}

void GroupScheduler::add(Sequence sequence) {
  const Place place = place_of(sequence);
  tokens_ += sequence.length();
  count(sequence, 1);
  sequence.acceptance = acceptance_;
  const auto added = by_arrival_.emplace(place, std::move(sequence)).first;
  by_id_.emplace(place.second, &added->second);
}

void GroupScheduler::set(SequenceId id, bool Sequence::*flag, bool value) {
  Sequence& sequence = *by_id_.at(id);
  count(sequence, -1);
  sequence.*flag = value;
  count(sequence, 1);
}

void GroupScheduler::withhold(const std::function<bool(SequenceId)>& withheld) {
  for (const auto& [place, sequence] : by_arrival_)
    if (const bool waits = withheld(place.second); waits != sequence.withheld)
      set(place.second, &Sequence::withheld, waits);
}

void GroupScheduler::add_rows_in_flight(std::size_t steps, std::vector<RowsInFlight>& rows) const {
  const std::size_t first = rows.size();
  for (std::size_t i = 0; i < std::min(steps, in_flight_.size()); ++i)
    for (const Part& part : in_flight_[i].parts) {
      const auto known = std::find_if(rows.begin() + std::ptrdiff_t(first), rows.end(),
                                      [&](const RowsInFlight& each) { return each.sequence == part.id; });
      if (known == rows.end())
        rows.push_back({part.id, part.begin, part.begin + part.rows, part.sequence == nullptr});
      else
        known->end = std::max(known->end, part.begin + part.rows);
    }
}

void GroupScheduler::count(const Sequence& sequence, std::int32_t times) {
  touch(sequence);
  running_ += times * sequence.running;
  resting_ += times * !sequence.may_run();
  deferred_ += times * sequence.deferred();
  if (sequence.running) return;
  load_.add(sequence.submission.caller, sequence.length(), times);
  count_deadline(sequence, times);
}

void GroupScheduler::count_deadline(const Sequence& sequence, std::int32_t times) {
  const Submission& submission = sequence.submission;
  if (submission.start_by == TimePoint{} || submission.resubmitted || sequence.found >= 0) return;
  if (times > 0)
    deadlines_.emplace(submission.start_by, submission.sequence);
  else
    deadlines_.erase({submission.start_by, submission.sequence});
}

void GroupScheduler::add_late(TimePoint time, std::vector<SequenceId>& late) const {
  for (auto each = deadlines_.begin(); each != deadlines_.end() && each->first < time; ++each)
    late.push_back(each->second);
}

void GroupScheduler::add_waiting(const Submission& newcomer, Waiting& waiting) const {
  waiting.all += load_.all();
  waiting.of_caller += load_.of(newcomer.caller);
  if (newcomer.start_by == TimePoint{}) return;
  if (!policy_->by_priority()) {
    waiting.ahead += load_.all().tokens;
    return;
  }
  for (const auto& [place, sequence] : by_arrival_)
    if (!sequence.running && sequence.submission.priority <= newcomer.priority)
      waiting.ahead += sequence.length();
}

bool GroupScheduler::backed_up() const {
  return std::ranges::any_of(by_arrival_,
                             [](const auto& each) { return !each.second.running && each.second.may_run(); });
}

Sequence* GroupScheduler::find(SequenceId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

void GroupScheduler::forget(Sequence& sequence, bool finished) {
  const Place place = place_of(sequence);
  // While a request is unanswered, the sequence may hold blocks that the scheduler has not heard of.
  if (sequence.running || asked_) released_.push_back(place.second);
  unknow(sequence);
  count(sequence, -1);
  tokens_ -= sequence.length();
  tell_left(sequence, finished);
  leave_steps(sequence);
  by_id_.erase(place.second);
  by_arrival_.erase(place);
}

// Of those that are granted, and those in flight.
void GroupScheduler::leave_steps(const Sequence& sequence) {
  std::ranges::replace(granted_, &sequence, nullptr);
  for (Step& step : in_flight_)
    for (Part& part : step.parts)
      if (part.sequence == &sequence) part.sequence = nullptr;
}

void GroupScheduler::tell_left(const Sequence& sequence, bool finished) {
  const SequenceView view = sequence.view();
  try {
    policy_->left(view, finished);
  } catch (...) {  // a plugin's
    ++stats_.policy_failures;
  }
  if (shadow_) shadow_->left(view, finished);
}

void GroupScheduler::preempt(Sequence& sequence) {
  unknow(sequence);
  count(sequence, -1);
  sequence.lose_blocks();
  count(sequence, 1);
  ++stats_.preemptions;
}

void GroupScheduler::unknow(Sequence& sequence) {
  if (sequence.begun) unknown_.push_back(sequence.submission.sequence);
}

void GroupScheduler::void_steps() {
  void_ = asked_;
  grants_.clear();
  granted_.clear();
  in_flight_.clear();
  unknown_.clear();
  for (auto& [place, sequence] : by_arrival_) {
    sequence.void_steps();
    touch(sequence);
  }
}

std::vector<GroupScheduler::Place> GroupScheduler::lose_cache(std::uint64_t generation) {
  CHECK(generation > generation_, "generations only grow");
  generation_ = generation;
  void_steps();
  asked_ = void_ = false;  // an answer of the old generation is nobody's
  std::vector<Place> lost;
  for (const auto& [place, sequence] : by_arrival_) {
    tell_left(sequence, false);
    lost.push_back(place);
  }
  by_arrival_.clear();
  by_id_.clear();
  running_ = resting_ = deferred_ = 0;
  tokens_ = 0;
  load_ = {};
  deadlines_.clear();
  filled_.clear();
  released_.clear();
  known_.clear();
  return lost;
}

GroupStats GroupScheduler::stats() const {
  GroupStats stats = stats_;
  stats.running = running_;
  stats.waiting = waiting();
  stats.resting = resting_;
  stats.deferred = deferred_;
  stats.total_blocks = total_blocks_;
  stats.free_blocks = free_blocks_;
  if (shadow_) stats.shadow = shadow_->stats();
  return stats;
}

}  // namespace troupe::runtime
