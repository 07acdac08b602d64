// Decides what each step computes for one attention group. Owned by the replica's Scheduler, which says when
// a step begins, is planned and has ended; not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/base/scheduler_limits.hpp"
#include "runtime/scheduling/known_prefixes.hpp"
#include "runtime/scheduling/sequence.hpp"

namespace troupe::runtime {

struct GroupStats {
  std::int32_t running = 0, waiting = 0;  // now
  std::uint64_t preemptions = 0;
  std::uint64_t prompt_tokens_computed = 0,
                replayed_tokens = 0;  // replayed: output tokens computed again as input
  std::int32_t last_step_sequences = 0, last_step_tokens = 0;
};

class GroupScheduler {
 public:
  using Place = std::pair<std::uint64_t, SequenceId>;  // in the order of arrival

  // generation: of the group's cache. remembers_prefixes: known_prefix will be asked.
  GroupScheduler(const SchedulerLimits& limits, std::unique_ptr<BatchPolicy> policy, GroupId group,
                 std::uint64_t generation, bool remembers_prefixes);

  void add(Sequence sequence);
  bool has(SequenceId id) const { return by_id_.contains(id); }
  // Of a sequence that it has; as in Scheduler.
  void cancel(SequenceId id) { forget(*by_id_.at(id)); }
  void pause(SequenceId id) { paused_ += !std::exchange(by_id_.at(id)->paused, true); }
  void resume(SequenceId id) { paused_ -= std::exchange(by_id_.at(id)->paused, false); }

  // How many blocks of a sequence, from its start, the cache seems to hold.
  std::size_t known_prefix(std::span<const BlockHash> hashes) const { return known_.length(hashes); }
  std::int64_t tokens() const { return tokens_; }  // of all its sequences, computed or pending

  // Empty optional: nothing to say, or the last request is unanswered.
  std::optional<BlockRequest> propose();
  // False: not the answer to the last request. Takes the grants for the plan that follows, or only notes who
  // holds what if the step has become void meanwhile.
  bool dispose(BlockReply reply);
  // What the last reply granted, less what was cancelled since; no slices if there was no reply.
  GroupPlan plan();
  // Whether a result has one output for each sample of the step in flight, in order.
  bool fits(const StepResult& result) const;
  // The result of the last plan. CHECKs that it fits.
  void commit(StepResult result, std::vector<CommittedToken>& committed);

  // The step that is asked for, planned or in flight will not be committed; blocks and what they hold stay.
  // A reply that is outstanding is waited for.
  void void_step();
  // The cache is lost, and with it every sequence; says which.
  std::vector<Place> lose_cache(std::uint64_t generation);

  std::uint64_t generation() const { return generation_; }
  bool idle() const { return std::size_t(paused_) == by_id_.size(); }
  std::int32_t waiting() const { return std::int32_t(by_id_.size()) - running_; }
  GroupStats stats() const;

 private:
  // A part of the step in flight. Its sequence may be cancelled by the time of the commit.
  struct Part {
    SequenceId sequence = 0;
    std::int32_t tokens = 0;
    bool samples = false;
  };

  Sequence* find(SequenceId id) const;
  void forget(Sequence& sequence);  // its blocks go back with the next request
  void preempt(Sequence& sequence);

  void rank();
  std::vector<BlockWant> wants();
  BlockWant want(Sequence& sequence, std::int32_t tokens) const;
  void seat(Sequence& sequence, const BlockGrant& grant);
  Slice slice(const Sequence& sequence, BlockGrant grant);
  void advance(Sequence& sequence, std::int32_t tokens);

  SchedulerLimits limits_;
  std::unique_ptr<BatchPolicy> policy_;
  GroupId group_;
  std::uint64_t generation_;
  bool remembers_prefixes_;
  KnownPrefixes known_;

  std::map<Place, Sequence> by_arrival_;
  std::unordered_map<SequenceId, Sequence*> by_id_;
  std::int32_t running_ = 0, paused_ = 0;  // sequences
  std::int64_t tokens_ = 0;

  bool asked_ = false;              // the last request is unanswered
  bool void_ = false;               // and what it will grant is for a step that is void
  std::vector<BlockGrant> grants_;  // for the next plan
  std::vector<Part> in_flight_;
  std::vector<FilledBlock> filled_;   // for the next request
  std::vector<SequenceId> released_;  // likewise
  std::uint64_t proposals_ = 0;
  GroupStats stats_;

  // Kept between steps for their memory.
  std::vector<SequenceView> views_;
  Proposal proposal_;
  std::vector<std::pair<Sequence*, std::int32_t>> ranked_;  // most urgent first, with the tokens proposed
};

}  // namespace troupe::runtime
