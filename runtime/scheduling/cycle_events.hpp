// All that happens to a step cycle, in order, for whoever listens: enough for it to happen once more, with the same plans.
// Plain values; they hold prompts and outputs.
#pragma once

#include <variant>
#include <vector>

#include "runtime/base/epoch_end.hpp"
#include "runtime/base/scheduler_limits.hpp"
#include "runtime/scheduling/policies/policy.hpp"
#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

// A new cycle begins, and nothing of the one before lives on but the sequences that are submitted again.
struct CycleBegan {
  SchedulerLimits limits;
  std::int32_t groups = 1;
  Epoch epoch = 0;
  PolicyChoice policy;
};
struct PolicyChanged {
  PolicyChoice policy;
};
struct EpochBegan {
  Epoch epoch = 0;
};
struct EpochEnded {
  Epoch next = 0;
  std::vector<GroupId> lost;
  EpochEnd how{};
};
struct SequenceSubmitted {
  Submission submission;
  bool held = false, accepted = true;
};
enum class SequenceNews : std::uint8_t { hold, release, pause, resume, cancel, late };
struct SequenceTold {
  SequenceId sequence = 0;
  SequenceNews news = SequenceNews::hold;
};
struct BlocksReplied {
  GroupId group = 0;
  std::uint64_t generation = 0;
  std::int32_t total_blocks = 0;
  Epoch asked_in = 0;
};
struct ResultCame {
  StepResult result;
  std::vector<CommittedToken> committed;  // by it
};
struct StepPlanned {
  std::vector<StepPlan> plans;  // by group
};
using CycleEvent = std::variant<CycleBegan, PolicyChanged, EpochBegan, EpochEnded, SequenceSubmitted,
                                SequenceTold, BlocksReplied, ResultCame, StepPlanned>;

class CycleListener {
 public:
  virtual ~CycleListener() = default;
  // now: as the cycle was told last. Called by the cycle's owner, between two steps: it hands over and returns.
  virtual void heard(CycleEvent event, TimePoint now) = 0;
};

}  // namespace troupe::runtime
