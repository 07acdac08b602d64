// The executor of a rank: its part of the model, through its decoder, its communicators and its KV storage.
#pragma once

#include "model/decoder.hpp"
#include "runtime/base/ticks.hpp"
#include "runtime/execution/drafter.hpp"
#include "runtime/execution/executor.hpp"

namespace troupe::runtime {

// Shares the KV storage, which another executor may go on with; ops, decoder, communicators and ticks outlive
// it. Used by one compute thread, whose activity it writes to ticks, if there are any.
class ModelExecutor final : public Executor {
 public:
  // group: of world.size() / group.size() groups.
  ModelExecutor(kernels::Ops& ops, model::Decoder& decoder, const transport::Communicators& communicators,
                GroupId group, model::KvCache cache, Speculation speculation = {}, TickBoard* ticks = nullptr,
                GrammarSource grammars = {});
  StepResult execute(const StepPlan& plan) override;
  model::KvCache& cache() { return cache_; }

 private:
  void check_group(const StepPlan& plan) const;  // throws PlanError

  kernels::Ops& ops_;
  model::Decoder& decoder_;
  transport::Communicators communicators_;
  GroupId group_;
  TickBoard* ticks_;
  std::unique_ptr<kernels::Queue> queue_;
  Drafter drafter_;
  model::KvCache cache_;
  SequenceTable table_;
};

}  // namespace troupe::runtime
