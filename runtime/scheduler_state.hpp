// The inside of a Scheduler, for its own files only.
#pragma once

#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "runtime/scheduler.hpp"
#include "runtime/sequence.hpp"

namespace troupe::runtime {

struct Scheduler::State {
  // A step is asked for (propose), planned (dispose) and committed; one at a time.
  enum class Phase { between, asked, in_flight };

  // A part of the step in flight. Its sequence may be cancelled by the time of the commit.
  struct Part {
    SequenceId sequence = 0;
    std::int32_t tokens = 0;
    bool samples = false;
  };

  SchedulerLimits limits;
  std::unique_ptr<BatchPolicy> policy;
  Epoch epoch = 0;
  GroupId group = 0;

  std::map<std::pair<std::uint64_t, SequenceId>, Sequence> by_arrival;
  std::unordered_map<SequenceId, Sequence*> by_id;
  std::unordered_set<SequenceId> expected_back;  // forgotten by start_epoch, not yet submitted again
  std::int32_t running = 0, paused = 0;          // sequences

  Phase phase = Phase::between;
  std::vector<Part> in_flight;
  std::vector<FilledBlock> filled;   // for the next request
  std::vector<SequenceId> released;  // likewise
  std::uint64_t proposals = 0;
  SchedulerStats stats;

  // Kept between steps for their memory.
  std::vector<SequenceView> views;
  Proposal proposal;
  std::vector<std::pair<Sequence*, std::int32_t>> ranked;  // most urgent first, with the tokens proposed

  std::int32_t waiting() const { return std::int32_t(by_id.size()) - running; }
  Sequence* find(SequenceId id) const;
  void forget(Sequence& sequence);  // its blocks go back with the next request
  void preempt(Sequence& sequence);

  void rank();
  std::vector<BlockWant> wants();
  BlockWant want(Sequence& sequence, std::int32_t tokens) const;
  Slice slice(Sequence& sequence, const BlockGrant& grant);
  void advance(Sequence& sequence, std::int32_t tokens);
};

}  // namespace troupe::runtime
