// Decides what each step computes for one attention group. Owned by the replica's Scheduler, which says when
// a step begins, is planned and has ended; not thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/base/scheduler_limits.hpp"
#include "runtime/scheduling/admission.hpp"
#include "runtime/scheduling/known_prefixes.hpp"
#include "runtime/scheduling/policy_shadow.hpp"
#include "runtime/scheduling/sequence.hpp"
#include "runtime/scheduling/step_cost.hpp"
#include "runtime/scheduling/suspects.hpp"

namespace troupe::runtime {

struct GroupStats {
  std::int32_t running = 0, waiting = 0;           // now
  std::int32_t resting = 0;                        // of those: paused by their readers, or held
  std::int32_t deferred = 0;                       // likewise, of those that wait
  std::int32_t total_blocks = 0, free_blocks = 0;  // when the pool answered last
  std::uint64_t preemptions = 0;
  std::uint64_t prompt_tokens_computed = 0,
                replayed_tokens = 0;  // replayed: output tokens computed again as input
  std::int32_t last_step_sequences = 0, last_step_tokens = 0;
  std::int32_t last_step_budget = 0;  // tokens that it could have, drafts left out
  // Proposals in whose place sequences went in order of arrival: the policy threw, or let nobody run though nothing ran.
  std::uint64_t policy_failures = 0;
  ShadowStats shadow;
  // Verified, in committed steps: how often a sequence had drafts, how many, how many of them were right, and how many at
  // each place among them.
  std::uint64_t drafts = 0, draft_tokens = 0, accepted_tokens = 0;
  std::vector<std::uint64_t> accepted_at;
  // Likewise of what grammars forced, which is not among those.
  std::uint64_t forced_tokens = 0, accepted_forced_tokens = 0;
};

class GroupScheduler {
 public:
  using Place = std::pair<std::uint64_t, SequenceId>;  // in the order of arrival

  // generation: of the group's cache.
  GroupScheduler(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, GroupId group,
                 std::uint64_t generation);

  void time_is(TimePoint now) { now_ = now; }
  // From the next proposal on. What the one before had learned is lost.
  void use_policy(std::unique_ptr<BatchPolicy> policy);
  void shadow_with(std::unique_ptr<BatchPolicy> policy);
  void add(Sequence sequence);
  bool has(SequenceId id) const { return by_id_.contains(id); }
  bool has_begun(SequenceId id) const { return by_id_.at(id)->found >= 0; }  // of one that it has
  void add_waiting(const Submission& newcomer, Waiting& waiting) const;      // all that wait here
  // Tokens of sequences that got their first blocks since this was asked.
  std::int64_t take_begun() { return std::exchange(begun_tokens_, 0); }
  bool backed_up() const;  // somebody could run, and waits
  // Of those that wait for their first blocks: whoever has to begin before that.
  void add_late(TimePoint time, std::vector<SequenceId>& late) const;
  // Of a sequence that it has; as in Scheduler.
  void cancel(SequenceId id) { forget(*by_id_.at(id), false); }
  void pause(SequenceId id) { set(id, &Sequence::paused, true); }
  void resume(SequenceId id) { set(id, &Sequence::paused, false); }
  void hold(SequenceId id) { set(id, &Sequence::held, true); }
  void release(SequenceId id) { set(id, &Sequence::held, false); }
  // Of all that it has: whether they wait for others' turn. suspect: as Sequence::suspect_row.
  void withhold(const std::function<bool(SequenceId)>& withheld);
  void suspect(SequenceId id, std::int32_t row) { by_id_.at(id)->suspect_row = row; }
  bool can_run(SequenceId id) const { return !by_id_.at(id)->paused && !by_id_.at(id)->held; }
  bool withheld(SequenceId id) const { return by_id_.at(id)->withheld; }
  std::int32_t computed(SequenceId id) const { return by_id_.at(id)->computed; }

  // How many blocks of a sequence, from its start, the cache seems to hold.
  std::size_t known_prefix(std::span<const BlockHash> hashes) const { return known_.length(hashes); }
  std::int64_t tokens() const { return tokens_; }  // of all its sequences, computed or pending

  // Empty optional: nothing to say, or the last request is unanswered.
  // stream_waits: in some group, which waits for the slowest of all.
  std::optional<BlockRequest> propose(const StepCosts& costs, bool stream_waits);
  bool stream_waits() const;  // whether a stream that has begun waits for its next token
  // False: not the answer to the last request. Takes the grants for the plan that follows, or only notes who
  // holds what if the step has become void meanwhile.
  bool dispose(BlockReply reply);
  bool granted() const;  // whether a plan would have anything to compute
  // What the last reply granted, less what was cancelled since; of the plan, all that is the group's own. It is in flight.
  // predictions: of all groups, the most that one wants.
  StepPlan plan(std::int32_t predictions);
  std::int32_t wanted_predictions() const {
    return wanted_predictions_;
  }  // in the step that was proposed last
  // Of the group's steps in flight, the oldest first; at: which of them. Whether a result has one output for each sample
  // of it, in order.
  bool fits(const StepResult& result, std::size_t at) const;
  StepWork oldest_work() const { return in_flight_.front().work; }  // in flight
  // Of the oldest steps in flight, so many; each sequence once.
  void add_rows_in_flight(std::size_t steps, std::vector<RowsInFlight>& rows) const;
  // The result of the oldest step in flight. CHECKs that it fits.
  void commit(StepResult result, std::vector<CommittedToken>& committed);

  // Nothing that is asked for, planned or in flight will be committed, and the ranks have forgotten all sequences; blocks
  // and what they hold stay. A reply that is outstanding is waited for.
  void void_steps();
  // The cache is lost, and with it every sequence; says which.
  std::vector<Place> lose_cache(std::uint64_t generation);

  std::uint64_t generation() const { return generation_; }
  bool goes_by_priority() const { return policy_->by_priority(); }
  bool idle() const { return std::size_t(resting_) == by_id_.size(); }
  std::int32_t waiting() const { return std::int32_t(by_id_.size()) - running_; }
  GroupStats stats() const;

 private:
  void set(SequenceId id, bool Sequence::*flag, bool value);
  // times: 1 or -1, around whatever changes its state. So it is touched in each step that it is granted a part of, too.
  void count(const Sequence& sequence, std::int32_t times);
  void count_deadline(const Sequence& sequence, std::int32_t times);
  // A part of a step in flight. By the time of the commit its sequence may be cancelled, or its blocks lost.
  struct Part {
    SequenceId id = 0;
    Sequence* sequence = nullptr;  // null: it was forgotten
    std::uint64_t seating = 0;
    std::int32_t begin = 0, rows = 0, drafts = 0, forced = 0;  // forced: of the drafts, which begin with them
    bool samples = false;
  };

  struct Step {
    std::vector<Part> parts;
    StepWork work;
    std::int32_t budget = 0;
  };

  Sequence* find(SequenceId id) const;
  void forget(Sequence& sequence, bool finished);  // its blocks go back with the next request
  void leave_steps(const Sequence& sequence);
  void preempt(Sequence& sequence);
  void unknow(Sequence& sequence);  // the ranks hear of it with the next plan

  void touch(const Sequence& sequence) { touched_.push_back(place_of(sequence)); }
  void look();
  void look_at_all();
  void look_again(const Place& place);
  void look_up_prefixes();
  std::int32_t token_budget(const StepCost& cost) const;
  std::int32_t rank(std::int32_t budget, const StepCost& cost);
  void ask_policy(const SchedulerView& view, std::int32_t budget);
  void go_by_arrival();
  void rank_proposed();
  bool somebody_runs();
  void tell_left(const Sequence& sequence, bool finished);
  static Place place_of(const Sequence& sequence) {
    return {sequence.submission.arrival, sequence.submission.sequence};
  }
  SequenceView view_of(const Sequence& sequence) const;
  bool shown(const Sequence& sequence) const { return sequence.may_run() && plannable(sequence); }
  bool plannable(const Sequence& sequence) const;
  bool may_share(const Sequence& sequence) const;
  std::span<const BlockHash> prefix_of(Sequence& sequence) const;
  std::vector<BlockWant> wants(std::int32_t budget);
  BlockWant want(Sequence& sequence, std::int32_t tokens) const;
  void add_drafts(std::vector<BlockWant>& wants, const StepCosts& costs);
  void choose_drafts(const std::vector<BlockWant>& wants, const StepCosts& costs);
  bool guesses_will_pay(const StepCosts& costs);
  std::int32_t spare_rows(const std::vector<BlockWant>& wants) const;
  static bool may_draft(const Sequence& sequence) {
    return sequence.running && sequence.begun && sequence.decoding();
  }
  bool predicts() const { return limits_.speculation.method == DraftMethod::mtp; }
  void seat(Sequence& sequence, const BlockGrant& grant);
  void add_part(StepPlan& plan, Sequence& sequence, BlockGrant&& grant);
  void keep_logprobs(std::span<const Part> parts, PromptLogprobs logprobs);
  void commit_part(const Part& part, SequenceOutput& output, std::vector<CommittedToken>& committed);
  void advance(Sequence& sequence, std::int32_t rows);
  FinishReason append(Sequence& sequence, SampledToken& sampled, std::vector<CommittedToken>& committed);
  void count_drafts(Sequence& sequence, const Part& part, std::int32_t accepted);

  SchedulerLimits limits_;
  std::unique_ptr<BatchPolicy> policy_;
  std::optional<PolicyShadow> shadow_;
  GroupId group_;
  std::uint64_t generation_;
  TimePoint now_{};
  KnownPrefixes known_;

  std::map<Place, Sequence> by_arrival_;
  std::unordered_map<SequenceId, Sequence*> by_id_;
  std::int32_t running_ = 0, resting_ = 0, deferred_ = 0;  // sequences
  std::int32_t free_blocks_ = 0, total_blocks_ = 0;        // when the pool answered last
  std::int32_t budget_ = 0;                                // of the last proposal, in tokens
  std::int32_t predictions_ = 0, wanted_predictions_ = 0;  // in the last plan, in the next
  Acceptance acceptance_;  // of all drafts: what is expected of a new sequence
  PredictionSwitch prediction_switch_;
  std::uint64_t adapted_ = 0;  // steps whose drafts were chosen
  std::int64_t tokens_ = 0, begun_tokens_ = 0;
  WaitingLoad load_;                                      // of what waits here
  std::set<std::pair<TimePoint, SequenceId>> deadlines_;  // of those that may be refused yet

  bool asked_ = false;                // the last request is unanswered
  bool void_ = false;                 // and what it will grant is for a step that is void
  std::vector<BlockGrant> grants_;    // for the next plan
  std::vector<Sequence*> granted_;    // whom each of those is for; null: it was forgotten since
  std::deque<Step> in_flight_;        // the oldest first
  std::vector<FilledBlock> filled_;   // for the next request
  std::vector<SequenceId> released_;  // likewise
  std::vector<SequenceId> unknown_;   // for the next plan: to be forgotten by the ranks
  std::uint64_t proposals_ = 0;
  GroupStats stats_;

  // What policies see; in order. Thousands may wait, of which nothing changes: only what was touched since is looked at again.
  std::vector<SequenceView> views_;
  std::vector<Place> touched_;    // came, left, or changed since the last look
  std::vector<Place> looked_up_;  // whose views show what the cache seemed to hold at the last look

  // Kept between steps for their memory.
  std::vector<Drafted> drafted_;
  std::vector<std::int32_t> forced_;  // tokens, of each want
  Proposal proposal_;
  std::vector<std::pair<Sequence*, std::int32_t>> ranked_;  // most urgent first, with the tokens proposed
};

}  // namespace troupe::runtime
