// Runs step plans. ModelExecutor lives in a worker; a simulated one lives in the laboratory.
#pragma once

#include <memory>

#include "model/decoder.hpp"
#include "runtime/step.hpp"

namespace troupe::runtime {

class Executor {
 public:
  virtual ~Executor() = default;
  // Computes this rank's group of the plan. A plan that comes twice gives the same result. Throws Error when
  // a kernel or a peer fails.
  virtual StepResult execute(const StepPlan& plan) = 0;
};

// Owns nothing but the KV storage; ops, decoder and communicator outlive it. Used by one compute thread.
class ModelExecutor final : public Executor {
 public:
  ModelExecutor(kernels::Ops& ops, model::Decoder& decoder, transport::Communicator& communicator,
                GroupId group, std::int64_t blocks, std::int64_t block_size);
  StepResult execute(const StepPlan& plan) override;
  model::KvCache& cache() { return cache_; }

 private:
  kernels::Ops& ops_;
  model::Decoder& decoder_;
  transport::Communicator& communicator_;
  GroupId group_;
  kernels::ImmediateQueue queue_;
  model::KvCache cache_;
};

}  // namespace troupe::runtime
