#include "runtime/lab/step_window.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/runtime/lab/list_trace.hpp"

namespace troupe::runtime::lab {
namespace {

std::vector<ShownStep> shown(std::int32_t blocks, std::deque<TraceRequest> requests, std::size_t steps) {
  SimulationSettings settings;
  settings.limits = {.max_num_batched_tokens = 64,
                     .max_step_time = std::chrono::milliseconds(0),
                     .max_num_seqs = 8,
                     .max_model_len = 256,
                     .block_size = 4};
  settings.make_policy = [] { return make_policy("fcfs"); };
  settings.blocks = blocks;
  ListTrace trace(std::move(requests));
  const LinearCost cost(1.0 / 64, 0, 0);
  Simulation simulation(settings, trace, cost);
  StepWindow window(steps);
  simulation.on_step = [&](const SimulatedStep& step) { window.add(step, simulation); };
  simulation.run();
  return window.shown();
}

TEST(StepWindow, ShowsAShortRunWhole) {
  const auto steps = shown(256, {request_of(1, 0, 100, 5)}, 10);
  ASSERT_EQ(steps.size(), 6u);
  EXPECT_TRUE(steps[0].parts.at(0).prompt);
  EXPECT_EQ(steps[0].parts.at(0).rows, 64);
  EXPECT_TRUE(steps[1].parts.at(0).prompt);
  EXPECT_FALSE(steps[2].parts.at(0).prompt);
  EXPECT_EQ(steps[1].begins, steps[0].ends);
}

TEST(StepWindow, ShowsWhereSequencesLoseTheirBlocks) {
  std::deque<TraceRequest> requests;
  for (std::uint64_t i = 0; i < 20; ++i) requests.push_back(request_of(100 + i, double(i), 30, 10));
  for (std::uint64_t i = 0; i < 8; ++i) requests.push_back(request_of(i, 30, 30, 100));
  const auto steps = shown(64, requests, 20);
  EXPECT_LE(steps.size(), 20u);
  EXPECT_TRUE(std::ranges::any_of(steps, [](const ShownStep& each) { return !each.preempted.empty(); }));
  EXPECT_GE(steps.front().begins, 30);
}

}  // namespace
}  // namespace troupe::runtime::lab
