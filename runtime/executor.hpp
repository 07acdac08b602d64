// Runs step plans. ModelExecutor lives in a worker; a simulated one lives in the laboratory.
#pragma once

#include <memory>

#include "model/decoder.hpp"
#include "runtime/base/ticks.hpp"
#include "runtime/step.hpp"

namespace troupe::runtime {

class Executor {
 public:
  virtual ~Executor() = default;
  // Computes this rank's group of the plan. A plan that comes twice gives the same result. Throws Error when
  // a kernel or a peer fails.
  virtual StepResult execute(const StepPlan& plan) = 0;
};

// Shares the KV storage, which another executor may go on with; ops, decoder, communicators and ticks outlive
// it. Used by one compute thread, whose activity it writes to ticks, if there are any.
class ModelExecutor final : public Executor {
 public:
  // group: of world.size() / group.size() groups. Groups of a plan that have no part in it have no tokens.
  ModelExecutor(kernels::Ops& ops, model::Decoder& decoder, const transport::Communicators& communicators,
                GroupId group, model::KvCache cache, TickBoard* ticks = nullptr);
  StepResult execute(const StepPlan& plan) override;
  model::KvCache& cache() { return cache_; }

 private:
  kernels::Ops& ops_;
  model::Decoder& decoder_;
  transport::Communicators communicators_;
  GroupId group_;
  TickBoard* ticks_;
  kernels::ImmediateQueue queue_;
  model::KvCache cache_;
};

}  // namespace troupe::runtime
