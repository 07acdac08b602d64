// A group's ranks, of whom only the time that they take is real: tokens are those of the request's answer, and steps cost what
// a model of costs says. Not thread-safe.
#pragma once

#include <unordered_map>

#include "runtime/execution/executor.hpp"
#include "runtime/lab/content.hpp"
#include "runtime/lab/cost_model.hpp"

namespace troupe::runtime::lab {

class SimulatedExecutor final : public Executor {
 public:
  // cost and words, if any, outlive it. acceptance: the probability that a draft is right if those before it are.
  SimulatedExecutor(const CostModel& cost, double acceptance, const AnswerWords* words = nullptr)
      : cost_(cost), acceptance_(acceptance), words_(words) {}

  // A sequence's answer is the content that its sampling seed names.
  StepResult execute(const StepPlan& plan) override;
  void forget_all() { entries_.clear(); }  // an epoch begins
  // Of the step that was executed last.
  const StepLoad& load() const { return load_; }

 private:
  struct Entry {
    std::int32_t prompt_tokens = 0, computed = 0;
    std::uint64_t answer = 0;
  };
  std::int32_t accepted(const Entry& entry, std::int32_t position, std::int32_t drafts) const;

  const CostModel& cost_;
  double acceptance_;
  const AnswerWords* words_;  // null: token_of
  std::unordered_map<SequenceId, Entry> entries_;
  StepLoad load_;
};

}  // namespace troupe::runtime::lab
