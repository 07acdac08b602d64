// Runs step plans. ModelExecutor lives in a worker; toy and simulated ones stand in for it in tests and the laboratory.
#pragma once

#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

class Executor {
 public:
  virtual ~Executor() = default;
  // Computes this rank's group of the plan. A plan that comes twice gives the same result. Throws Error when
  // a kernel or a peer fails.
  virtual StepResult execute(const StepPlan& plan) = 0;
};

}  // namespace troupe::runtime
