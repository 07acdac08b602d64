#include "runtime/lab/recorded_trace.hpp"

#include <gtest/gtest.h>

#include "runtime/lab/recorded_machine.hpp"
#include "runtime/lab/simulation.hpp"
#include "tests/runtime/lab/recorded_life.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::runtime::lab {
namespace {

// A request, its answer of four tokens, and a next turn that begins with both.
RecordedSchedule two_turns() {
  RecordedSchedule schedule;
  schedule.from_the_start = true;
  CycleBegan began;
  began.limits.block_size = 4;
  began.policy = {"fcfs"};
  const auto add = [&](std::int64_t milliseconds, RecordedEvent::What what) {
    schedule.events.push_back({milliseconds * 1'000'000, std::move(what)});
  };
  add(0, began);
  add(5, RecordedSubmission{.sequence = 1,
                            .tokens = 6,
                            .prompt_tokens = 6,
                            .max_output_tokens = 9,
                            .caller = 3,
                            .blocks = {11}});
  add(6, RecordedResult{.outputs = {{1, 3}}, .named = {{1, 1, 12}}});
  add(7, RecordedResult{.outputs = {{1, 2, 0, RecordedEnd::stop, 0}}});
  add(9,
      RecordedSubmission{
          .sequence = 2, .tokens = 12, .prompt_tokens = 12, .max_output_tokens = 9, .blocks = {11, 12, 13}});
  add(10, RecordedSubmission{.sequence = 3, .tokens = 3, .prompt_tokens = 3, .max_output_tokens = 9});
  add(11, RecordedSubmission{
              .sequence = 4, .tokens = 3, .prompt_tokens = 3, .max_output_tokens = 9, .accepted = false});
  add(12, RecordedResult{.outputs = {{2, 1}}});
  return schedule;
}

TEST(RecordedTrace, RequestsComeWhenTheyCameAndAskForWhatTheyGot) {
  const RecordedSchedule schedule = two_turns();
  RecordedTrace trace(schedule);
  const auto first = trace.next(), second = trace.next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->arrives, 0.005);
  EXPECT_EQ(first->prompt_tokens(), 6);
  EXPECT_EQ(first->output_tokens, 4) << "up to what stopped it";
  EXPECT_EQ(first->caller, 3u);
  EXPECT_EQ(second->prompt_tokens(), 12);
  EXPECT_EQ(second->output_tokens, 1);
  EXPECT_FALSE(trace.next()) << "of the third one nothing came, and the fourth was refused";
}

TEST(RecordedTrace, ATurnSharesWhatItsPromptHasInCommonWithTheOneBefore) {
  const RecordedSchedule schedule = two_turns();
  const RecordedTrace words(schedule);
  SimulationSettings settings;
  settings.limits = {.max_num_batched_tokens = 64, .max_num_seqs = 8, .max_model_len = 64, .block_size = 4};
  settings.make_policy = [] { return make_policy("fcfs"); };
  settings.blocks = 64;
  settings.words = &words;
  RecordedTrace trace(schedule);
  const LinearCost cost(1e-4, 0, 0);
  Simulation simulation(settings, trace, cost);
  std::vector<std::int32_t> cached;
  simulation.on_request = [&](const ServedRequest& each) { cached.push_back(each.cached_tokens); };
  simulation.run();
  EXPECT_EQ(cached, (std::vector<std::int32_t>{0, 8})) << "the second block holds words of the answer";
}

TEST(RecordedTrace, OtherPoliciesServeARecordedLife) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "schedule";
  std::uint64_t submitted = 0;
  {
    ScheduleRecorder recorder(path, {});
    RecordedLife life(recorder, "fcfs", 1, 1);
    life.run(4000);
    submitted = life.submitted;
  }
  const RecordedSchedule schedule = read_schedule(path);
  const RecordedMachine machine = machine_of(schedule);
  EXPECT_GT(machine.steps.size(), 100u);
  EXPECT_GT(machine.blocks, 0);
  const RecordedTrace words(schedule);
  for (const std::string& policy : policy_names()) {
    SimulationSettings settings;
    settings.limits = machine.limits;
    settings.groups = machine.groups;
    settings.blocks = machine.blocks;
    settings.acceptance = machine.acceptance;
    settings.make_policy = [&] { return make_policy(policy); };
    settings.words = &words;
    RecordedTrace trace(schedule);
    const FittedCost cost(machine.steps);
    const ServiceReport report = Simulation(settings, trace, cost).run();
    EXPECT_GT(report.served + report.refused, submitted / 2) << policy;
    EXPECT_GT(report.served, 50u) << policy;
  }
}

}  // namespace
}  // namespace troupe::runtime::lab
