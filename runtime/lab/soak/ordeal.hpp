// A scheduler and the block pools and workers of its groups, under random submissions, cancellations, pauses, deadlines, broken
// logits, sequences that kill workers, faults and deaths of the scheduler itself. All that they say to each other is mail, which arrives at any time and in
// any order. Whatever happens, each sequence must get the tokens that it gets alone. Owned by one thread.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "runtime/lab/soak/chance.hpp"
#include "runtime/lab/soak/toy_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime::lab {

// What came to pass: a life in which nothing happens proves nothing.
struct Tally {
  std::int64_t steps = 0, drafts = 0, right_drafts = 0, overlapping = 0, past_the_end = 0, finished = 0,
               broken_logits = 0, cancelled = 0, cancelled_in_flight = 0, deaths = 0,
               resubmitted_to_full_queue = 0;
  std::int64_t faults_between = 0, faults_asked = 0, faults_in_flight = 0;
  std::int64_t late_replies = 0, dropped_replies = 0, stale_results = 0;
  std::int64_t forced = 0, right_forced = 0;
  std::int64_t policy_changes = 0, told_prompts = 0;
  std::int64_t killed_by_sequences = 0, quarantined = 0;
  std::int64_t preemptions = 0, replayed_tokens = 0, prefix_hits = 0, kept_through_fault = 0;
  void add(const Tally& other);
};

class Ordeal {
 public:
  // policy: one that is known, or of misunderstandings(). chance and tally outlive it.
  Ordeal(Chance& chance, std::string policy, std::int32_t groups, Tally& tally);

  // Until the chance is spent; then until every sequence has finished. Throws BrokenPromise; CHECKs of the scheduler and the
  // pools stop the process. Returns a digest of all plans: equal for equal chances.
  std::uint64_t run();

 private:
  struct Live {
    Submission submission;  // as at first
    std::vector<TokenId> outputs;
    std::vector<Digest> digests;  // of its tokens up to each position
    bool homeless = false;        // it is to be submitted again
    bool paused = false, held = false;
    bool kills = false;            // whoever computes the last row of its prompt
    std::optional<GroupId> group;  // as far as it was heard of
    std::int32_t computed = 0;     // in committed steps since it last held no blocks
    // What its ranks know of it: nothing unless begun. planned: tokens in the cache when all plans are executed.
    bool begun = false;
    std::int32_t planned = 0, samples_in_flight = 0,
                 drafts_in_flight = 0;  // planned: if all drafts are right
    std::vector<BlockId> blocks;
  };

  struct Flight {  // a step, from its plans to its last result
    std::vector<StepPlan> plans;
    std::set<GroupId> executed;
    std::set<GroupId> deadly;  // to who executes it
    std::map<GroupId, StepResult> results;
  };

  struct Work {
    GroupId group = 0;
    StepPlan plan;
  };
  struct Mail {
    Epoch begun = 0;  // the epoch of the step that it belongs to
    std::variant<BlockRequest, BlockReply, Work, StepResult> content;
  };

  std::string drawn_shadow();
  SchedulerLimits random_limits();
  void start_scheduler();
  Live& live(SequenceId id);

  // What happens
  void step();
  void happen();
  template <class Function>
  void with_any(Function function) {
    if (!live_.empty()) function(std::next(live_.begin(), chance_.below(std::int32_t(live_.size())))->first);
  }
  void change_policy();
  void submit();
  void resubmit();
  void cancel(SequenceId id);
  void set_running(SequenceId id);
  void fault();
  void end_epoch(const std::vector<GroupId>& lost, const EpochEnd& how);
  void break_off(GroupId group);
  void void_steps();
  void die();
  void lose_storage(GroupId group);
  void make_homeless(SequenceId id);
  void propose();
  void lose_blocks(SequenceId id);

  // What arrives
  void arrive(const BlockRequest& request, Epoch begun);
  void arrive(const BlockReply& reply, Epoch begun);
  void arrive(const Work& work, Epoch begun);
  void arrive(const StepResult& result, Epoch begun);
  std::deque<Flight>::iterator flight_of(StepId step);
  void receive(const CommittedToken& token);

  // What must hold
  void check_nonsense_is_seen(StepResult result) const;
  void check_forgotten(const std::vector<SequenceId>& forgotten, const std::vector<GroupId>& lost);
  void check_quarantined(SequenceId id) const;
  void check_plans(const std::vector<StepPlan>& plans);
  void check_part(const StepPlan& plan);
  bool has_killer(const StepPlan& plan) const;
  void check_extend(const Extend& part, GroupId group, const std::map<BlockId, int>& users);
  void check_prompt(const Live& own, const CommittedToken& token);
  void check_end();
  void count_parts(const StepPlan& plan, const StepResult& result);
  void count(const SchedulerStats& stats);

  Chance& chance_;
  std::string policy_;
  std::int32_t groups_;
  bool misunderstands_;
  std::string shadow_;  // empty: none
  Epoch epoch_ = 1;
  SchedulerLimits limits_;
  bool forces_;  // the ranks
  TimePoint now_ = TimePoint() + std::chrono::hours(1);
  std::vector<BlockPool> pools_;  // by group, as the executors
  std::deque<ToyExecutor> executors_;
  std::optional<Scheduler> scheduler_;
  std::vector<Mail> mail_;
  std::map<SequenceId, Live> live_;
  std::vector<SequenceId> homeless_;
  SequenceId last_id_ = 0;
  StepId last_step_ = 0;
  std::deque<Flight> in_flight_;  // the oldest first
  std::set<SequenceId> granted_;  // for the next plan
  std::uint64_t digest_ = 0;      // of all plans
  Tally& tally_;
};

}  // namespace troupe::runtime::lab
