#include "runtime/lab/recorded_machine.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime::lab {
namespace {

RecordedPlan plan_of(StepId step, std::vector<RecordedBegin> begin, std::vector<RecordedExtend> extend) {
  return {.epoch = 1, .step = step, .begin = std::move(begin), .extend = std::move(extend)};
}

TEST(RecordedMachine, StepsHaveTheLoadsThatTheyHadAndTheTimesThatTheyTook) {
  RecordedSchedule schedule;
  CycleBegan began;
  began.limits.max_num_seqs = 5;
  began.groups = 1;
  schedule.events = {
      {0, began},
      {1, BlocksReplied{0, 1, 33, 1}},
      {2, RecordedStep{{plan_of(1, {{7, 11, 10, 4, {}}}, {{7, 0, 6, 0, true, {}}})}}},
      {3, RecordedResult{.epoch = 1, .step = 1, .times = {0.25, 0.5}, .outputs = {{7, 1}}}},
      {4, RecordedStep{{plan_of(2, {}, {{7, 1, 3, 2, true, {}}})}}},
      {5, RecordedResult{.epoch = 1, .step = 2, .times = {0.125, 0}, .outputs = {{7, 2}}}},
      {6, RecordedStep{{plan_of(3, {}, {{7, 0, 1, 0, true, {}}, {99, 0, 1, 0, true, {}}})}}},
      {7, RecordedResult{.epoch = 1, .step = 3, .times = {1, 0}, .outputs = {{7, 1}, {99, 1}}}},
  };
  const RecordedMachine machine = machine_of(schedule);
  EXPECT_EQ(machine.limits.max_num_seqs, 5);
  EXPECT_EQ(machine.blocks, 33);
  EXPECT_EQ(machine.acceptance, 1) << "the one time that there were drafts";
  ASSERT_EQ(machine.steps.size(), 2u) << "of 99 nobody knows how much it has in the cache";
  EXPECT_EQ(machine.steps[0].load.rows, 6);
  EXPECT_EQ(machine.steps[0].load.context, 10);
  EXPECT_EQ(machine.steps[0].load.samples, 1);
  EXPECT_EQ(machine.steps[0].times.compute_seconds, 0.25);
  EXPECT_EQ(machine.steps[1].load.rows, 3);
  EXPECT_EQ(machine.steps[1].load.context, 13);
  EXPECT_EQ(machine.steps[1].load.samples, 3);
}

}  // namespace
}  // namespace troupe::runtime::lab
