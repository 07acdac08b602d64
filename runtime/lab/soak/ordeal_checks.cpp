// What must hold in a scheduler's ordeal.
#include <algorithm>

#include "runtime/lab/content.hpp"
#include "runtime/lab/soak/ordeal.hpp"
#include "runtime/lab/soak/promise.hpp"

namespace troupe::runtime::lab {

void Tally::add(const Tally& other) {
  for (std::int64_t Tally::*each : {&Tally::steps,
                                    &Tally::drafts,
                                    &Tally::right_drafts,
                                    &Tally::overlapping,
                                    &Tally::past_the_end,
                                    &Tally::finished,
                                    &Tally::broken_logits,
                                    &Tally::cancelled,
                                    &Tally::cancelled_in_flight,
                                    &Tally::deaths,
                                    &Tally::resubmitted_to_full_queue,
                                    &Tally::faults_between,
                                    &Tally::faults_asked,
                                    &Tally::faults_in_flight,
                                    &Tally::late_replies,
                                    &Tally::dropped_replies,
                                    &Tally::stale_results,
                                    &Tally::forced,
                                    &Tally::policy_changes,
                                    &Tally::told_prompts,
                                    &Tally::right_forced,
                                    &Tally::killed_by_sequences,
                                    &Tally::quarantined,
                                    &Tally::preemptions,
                                    &Tally::replayed_tokens,
                                    &Tally::prefix_hits,
                                    &Tally::kept_through_fault})
    this->*each += other.*each;
}

// A result that lacks an output, or has one too many, must be told from one that fits; it is never committed.
void Ordeal::check_nonsense_is_seen(StepResult result) const {
  if (result.outputs.empty()) return;
  result.outputs.push_back(result.outputs.back());
  hold(!scheduler_->fits(result), "a result with an output too many fits");
  result.outputs.resize(result.outputs.size() - 2);
  hold(!scheduler_->fits(result), "a result that lacks an output fits");
}

void Ordeal::check_forgotten(const std::vector<SequenceId>& forgotten, const std::vector<GroupId>& lost) {
  const auto place = [&](SequenceId id) { return std::pair(live(id).submission.arrival, id); };
  hold(std::ranges::is_sorted(forgotten, {}, place), "who was forgotten is told out of order");
  for (const auto& [id, each] : live_) {
    if (!each.group) continue;
    const bool gone = std::ranges::count(lost, *each.group) > 0;
    hold(std::ranges::count(forgotten, id) == int(gone), "not those of the lost groups were forgotten");
    tally_.kept_through_fault += !gone && each.computed > 0;
  }
}

// Somebody who is no killer was alone when somebody else killed.
void Ordeal::check_quarantined(SequenceId id) const {
  std::set<SequenceId> others;
  for (const Flight& flight : in_flight_)
    for (const StepPlan& plan : flight.plans)
      for (const Extend& part : plan.extend) others.insert(part.sequence);
  hold(others.erase(id) == 1, "a sequence is quarantined for steps without it");
  hold(live_.at(id).kills || in_flight_.size() > 1 || others.empty(), "a sequence is quarantined in company");
}

// After check_extend, which counts the rows as planned.
bool Ordeal::has_killer(const StepPlan& plan) const {
  return std::ranges::any_of(plan.extend, [&](const Extend& part) {
    const Live& own = live_.at(part.sequence);
    const std::int32_t last = own.submission.prompt_tokens - 1;
    return own.kills && own.planned > last && own.planned - part.rows <= last;
  });
}

void Ordeal::check_plans(const std::vector<StepPlan>& plans) {
  hold(plans.size() == pools_.size(), "a group has no plan");
  std::vector<std::int32_t> rows;
  for (GroupId group = 0; group < GroupId(groups_); ++group) {
    hold(plans[group].group == group, "plans are out of order");
    check_part(plans[group]);
    hold(scheduler_->stats().groups.at(group).running <= limits_.max_num_seqs, "too many hold blocks");
    rows.push_back(0);
    std::int32_t logit_rows = 0;
    for (const Extend& part : plans[group].extend) {
      rows.back() += part.rows;
      logit_rows += part.samples ? 1 + part.drafts : 0;
    }
    hold(rows.back() <= limits_.max_num_batched_tokens, "a step is over its budget of tokens");
    hold(logit_rows <= most_logit_rows(limits_), "a step is over its budget of logits");
  }
  for (const StepPlan& plan : plans) {
    hold(plan.epoch == epoch_, "a plan is of another epoch");
    hold(plan.step > last_step_, "a step id was used twice");
    hold(plan.group_rows == rows, "rows of groups are miscounted");
  }
  last_step_ = plans.front().step;
}

void Ordeal::check_part(const StepPlan& plan) {
  const auto note = [&](auto value) { digest_ = mixed(digest_ + std::uint64_t(value) + 1); };
  note(plan.step);
  for (SequenceId id : plan.forget) {
    note(id);
    if (const auto found = live_.find(id); found != live_.end()) found->second.begun = false;
  }
  for (const Begin& begin : plan.begin) {
    Live& own = live(begin.sequence);
    hold(!own.begun, "the ranks are told of a sequence twice");
    own.begun = true;
    own.blocks = begin.blocks;
    own.planned = begin.computed;
    for (std::int32_t i = 0; i < begin.computed; ++i)
      hold(executors_[plan.group].cell(begin.blocks, i) == own.digests.at(std::size_t(i)),
           "what counts as computed is not in the cache");
    std::ranges::for_each(begin.blocks, note);
    std::ranges::for_each(begin.tokens, note);
  }
  std::map<BlockId, int> users;
  for (const Extend& part : plan.extend) {
    Live& own = live(part.sequence);
    own.blocks.insert(own.blocks.end(), part.blocks.begin(), part.blocks.end());
    for (BlockId block : own.blocks) ++users[block];
    for (std::uint64_t value : {part.sequence, std::uint64_t(part.rows), std::uint64_t(part.drafts)})
      note(value);
    std::ranges::for_each(part.blocks, note);
    std::ranges::for_each(part.tokens, note);
  }
  for (const Extend& part : plan.extend) check_extend(part, plan.group, users);
}

void Ordeal::check_extend(const Extend& part, GroupId group, const std::map<BlockId, int>& users) {
  Live& own = live(part.sequence);
  hold(own.begun, "the ranks do not know a sequence that they are to compute");
  hold(own.group == group, "a sequence runs in another group");
  hold(granted_.contains(part.sequence), "a late grant was planned");
  const std::int32_t known = std::int32_t(own.digests.size()) + own.samples_in_flight + own.drafts_in_flight;
  for (std::int32_t i = own.planned - own.drafts_in_flight; i < own.planned + part.rows; ++i)
    hold(users.at(own.blocks.at(std::size_t(i / limits_.block_size))) == 1, "a shared block is written");
  own.planned += part.rows;
  hold(own.planned <= limits_.max_model_len, "rows past the greatest length");
  hold(own.planned - part.drafts <= known, "rows without tokens");
  hold(part.samples == (own.planned - part.drafts == known), "a sample before the last token, or none at it");
  hold(part.samples || part.drafts == 0, "drafts behind rows that sample nothing");
  hold(part.drafts <= std::max(limits_.speculation.tokens, forces_ ? most_forced_tokens : 0),
       "more drafts than are made");
  own.samples_in_flight += part.samples;
  own.drafts_in_flight += part.drafts;
  hold(std::int32_t(own.outputs.size()) + own.samples_in_flight <= own.submission.max_output_tokens,
       "more outputs than were asked for");
  hold(std::int32_t(own.digests.size()) + own.samples_in_flight <= limits_.max_model_len,
       "outputs past the greatest length");
}

// With the first output, where it is wanted, the whole prompt's log-probabilities are told, each once; else none.
void Ordeal::check_prompt(const Live& own, const CommittedToken& token) {
  const Submission& asked = own.submission;
  const bool wanted = asked.sampling.prompt_logprobs >= 0 && token.output_position == 0;
  hold(std::ssize(token.prompt_logprobs) == (wanted ? asked.prompt_tokens - 1 : 0),
       "log-probabilities of a prompt are missing, or told twice");
  for (std::size_t i = 0; i < token.prompt_logprobs.size(); ++i) {
    const SampledToken& each = token.prompt_logprobs[i];
    hold(each.token == asked.tokens[i + 1] && each.logprob == toy_logprob(own.digests[i]),
         "a prompt has other log-probabilities alone");
  }
  tally_.told_prompts += wanted;
}

void Ordeal::check_end() {
  hold(scheduler_->idle(), "somebody waits, though all have ended");
  hold(scheduler_->stats().running + scheduler_->stats().waiting == 0, "somebody is left");
  for (const BlockPool& pool : pools_) {
    hold(pool.usage().used == 0, "blocks leaked");
    pool.check();
    tally_.prefix_hits += std::int64_t(pool.usage().prefix_hits);
  }
  count(scheduler_->stats());
}

void Ordeal::count_parts(const StepPlan& plan, const StepResult& result) {
  auto output = result.outputs.begin();
  for (const Extend& part : plan.extend) {
    const std::int32_t right = part.samples ? std::int32_t((output++)->sampled.size()) - 1 : 0;
    tally_.drafts += part.drafts;
    tally_.right_drafts += right;
    const auto found = live_.find(part.sequence);
    tally_.past_the_end += found == live_.end();
    if (found == live_.end()) continue;
    Live& own = found->second;
    own.computed += part.rows - part.drafts + right;
    own.planned -= part.drafts - right;
    own.samples_in_flight -= part.samples;
    own.drafts_in_flight -= part.drafts;
  }
}

void Ordeal::count(const SchedulerStats& stats) {
  tally_.forced += std::int64_t(stats.forced_tokens);
  tally_.right_forced += std::int64_t(stats.accepted_forced_tokens);
  tally_.preemptions += std::int64_t(stats.preemptions);
  tally_.replayed_tokens += std::int64_t(stats.replayed_tokens);
}

}  // namespace troupe::runtime::lab
