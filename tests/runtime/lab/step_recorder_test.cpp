#include "runtime/lab/step_recorder.hpp"

#include <gtest/gtest.h>

#include "runtime/lab/simulated_executor.hpp"
#include "runtime/scheduling/block_pool.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::runtime::lab {
namespace {

// A model of what was recorded says what the recorded steps took.
TEST(StepRecorder, ReplaysToTheTimesThatWereMeasured) {
  const LinearCost truth(2e-3, 40e-6, 2e-9);
  SimulatedExecutor machine(truth, 0.6);
  StepRecorder recorder(machine);
  SchedulerLimits limits{.max_num_batched_tokens = 256,
                         .max_step_time = std::chrono::milliseconds(0),
                         .max_num_seqs = 16,
                         .max_model_len = 1024,
                         .speculation = {DraftMethod::ngram, 2, false},
                         .prefix_caching = false};
  Scheduler scheduler(
      limits, [] { return make_policy("decode_first"); }, 1, 1);
  BlockPool pool(1024, limits.block_size, false, 1);
  for (SequenceId id = 1; id <= 100; ++id) {
    Submission submission;
    submission.sequence = submission.arrival = submission.sampling.seed = id;
    submission.prompt_tokens = std::int32_t(10 + id * 37 % 500);
    submission.tokens.resize(std::size_t(submission.prompt_tokens), 1);
    submission.max_output_tokens = std::int32_t(1 + id * 13 % 60);
    ASSERT_TRUE(scheduler.submit(submission));
  }
  std::vector<StepLoad> loads;
  for (auto requests = scheduler.propose(); !requests.empty(); requests = scheduler.propose()) {
    const auto plans = scheduler.dispose(pool.reserve(requests.front()));
    if (plans.empty()) break;
    scheduler.commit(recorder.execute(plans.front()));
    loads.push_back(machine.load());
  }
  ASSERT_TRUE(scheduler.idle());
  ASSERT_EQ(recorder.steps().size(), loads.size());
  for (std::size_t i = 0; i < loads.size(); ++i) {
    EXPECT_EQ(recorder.steps()[i].load.rows, loads[i].rows);
    EXPECT_EQ(recorder.steps()[i].load.context, loads[i].context) << "drafts that were right are known";
    EXPECT_EQ(recorder.steps()[i].load.samples, loads[i].samples);
  }
  const FittedCost fitted(recorder.steps());
  EXPECT_LT(fitted.error(recorder.steps(), 0.5), 0.05);
  EXPECT_LT(fitted.error(recorder.steps(), 0.9), 0.10);
}

}  // namespace
}  // namespace troupe::runtime::lab
