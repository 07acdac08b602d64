// What served a recorded schedule: its limits, its blocks, and what its steps took. Plain value.
#pragma once

#include "runtime/lab/fitted_cost.hpp"
#include "runtime/scheduling/recording/schedule_file.hpp"

namespace troupe::runtime::lab {

struct RecordedMachine {
  SchedulerLimits limits{};  // of the last scheduler
  std::int32_t groups = 1;
  std::int32_t blocks = 0;            // KV blocks of a group; 0: nobody ran
  double acceptance = 0;              // of first drafts
  std::vector<MeasuredStep> steps{};  // of each group, where all its sequences began within the recording
};

RecordedMachine machine_of(const RecordedSchedule& schedule);

}  // namespace troupe::runtime::lab
