// Runs step plans. ModelExecutor lives in a worker; toy and simulated ones stand in for it in tests and the laboratory.
#pragma once

#include "runtime/scheduling/step.hpp"

namespace troupe::runtime {

class Executor {
 public:
  virtual ~Executor() = default;
  // Computes the step for this rank, which is of the plan's group. A plan that comes twice gives the result that was
  // kept. Throws PlanError if it does not follow from those before, Error when a kernel or a peer fails.
  virtual StepResult execute(const StepPlan& plan) = 0;
};

}  // namespace troupe::runtime
