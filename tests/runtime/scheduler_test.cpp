#include "runtime/scheduler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "runtime/block_pool.hpp"
#include "runtime/engine.hpp"
#include "tests/runtime/toy_executor.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SchedulerLimits small_limits() {
  SchedulerLimits limits;
  limits.max_num_batched_tokens = 16;
  limits.max_num_seqs = 4;
  limits.max_model_len = 64;
  limits.max_waiting = 8;
  limits.block_size = 4;
  return limits;
}

Submission submission_of(SequenceId id, std::int32_t prompt, std::int32_t outputs, TokenId first = 0) {
  Submission submission;
  submission.sequence = submission.arrival = id;
  submission.prompt_tokens = prompt;
  submission.max_output_tokens = outputs;
  for (std::int32_t i = 0; i < prompt; ++i) submission.tokens.push_back(first + i);
  return submission;
}

// One step at a time, with all that is said in it in sight.
struct Steps {
  explicit Steps(const SchedulerLimits& limits = small_limits(), std::int32_t blocks = 64,
                 std::string_view policy = "fcfs")
      : scheduler(limits, make_policy(policy), 1),
        pool(blocks, limits.block_size, limits.prefix_caching),
        executor(blocks, limits.block_size) {}

  std::optional<StepPlan> plan() {
    request = scheduler.propose();
    if (!request) return std::nullopt;
    reply = pool.reserve(*request);
    pool.check();
    return scheduler.dispose(reply);
  }
  std::vector<CommittedToken> run() {
    const auto planned = plan();
    return planned ? scheduler.commit(executor.execute(*planned)) : std::vector<CommittedToken>{};
  }
  // Sequences and tokens of the next step, which is run.
  std::vector<std::pair<SequenceId, int>> shares() {
    std::vector<std::pair<SequenceId, int>> shares;
    const auto planned = plan();
    if (!planned) return shares;
    for (const Slice& slice : planned->groups[0].slices)
      shares.emplace_back(slice.sequence, int(slice.tokens.size()));
    scheduler.commit(executor.execute(*planned));
    return shares;
  }

  Scheduler scheduler;
  BlockPool pool;
  ToyExecutor executor;
  std::optional<BlockRequest> request;
  BlockReply reply;
};

using S = std::pair<SequenceId, int>;

TEST(Scheduler, ComputesAPromptInChunksAndThenDecodes) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 36, 2)));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 16}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 16}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 4}));
  const auto last = steps.run();
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].output_position, 1u);
  EXPECT_EQ(last[0].finish, FinishReason::length);
  EXPECT_EQ(steps.scheduler.stats().prompt_tokens_computed, 36u);
  EXPECT_EQ(steps.scheduler.stats().steps, 4u);
  EXPECT_TRUE(steps.scheduler.idle());
  EXPECT_FALSE(steps.plan());  // but the pool hears of the release
  EXPECT_THAT(steps.request->released, ElementsAre(1));
  EXPECT_EQ(steps.reply.usage.used, 0);
  EXPECT_FALSE(steps.scheduler.propose());
}

TEST(Scheduler, RefusesWhatCannotBeServed) {
  Steps steps;
  const auto refusal = [&](Submission submission) {
    return steps.scheduler.submit(std::move(submission)).error();
  };
  EXPECT_EQ(refusal(submission_of(1, 0, 1)).message, "the prompt must hold at least one token");
  EXPECT_EQ(refusal(submission_of(1, 4, 0)).param, "max_tokens");
  EXPECT_TRUE(steps.scheduler.submit(submission_of(1, 63, 9)));
  EXPECT_EQ(refusal(submission_of(2, 64, 1)).code, "context_length_exceeded");
  EXPECT_EQ(refusal(submission_of(2, 64, 1)).message,
            "the context length is 64 tokens, one of which is for output; the prompt has 64");
}

TEST(Scheduler, RefusesWhenTheQueueIsFullButNeverAReplay) {
  Steps steps;
  for (SequenceId id = 1; id <= 4; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 4, 9)));
  steps.run();
  for (SequenceId id = 5; id <= 12; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 4, 9)));
  EXPECT_EQ(steps.scheduler.submit(submission_of(13, 4, 9)).error().kind, RefusalKind::unavailable);
  EXPECT_EQ(steps.scheduler.stats().running, 4);
  EXPECT_EQ(steps.scheduler.stats().waiting, 8);
  steps.pool.reset();
  EXPECT_EQ(steps.scheduler.start_epoch(2).size(), 12u);
  for (SequenceId id = 1; id <= 12; ++id) EXPECT_TRUE(steps.scheduler.submit(submission_of(id, 4, 9)));
  EXPECT_FALSE(steps.scheduler.submit(submission_of(14, 4, 9)));
}

TEST(SchedulerDeathTest, ASequenceIsSubmittedOnce) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  EXPECT_DEATH((void)steps.scheduler.submit(submission_of(1, 4, 9)), "submitted twice");
}

TEST(Scheduler, StopsAtStopIdsAndAtTheContextLength) {
  Steps steps;
  Submission stopping = submission_of(1, 4, 9);
  stopping.stop_ids = {toy_output(stopping, 64).tokens.at(2)};
  ASSERT_TRUE(steps.scheduler.submit(stopping));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 61, 9)));
  std::vector<CommittedToken> finished;
  while (!steps.scheduler.idle())
    for (const CommittedToken& token : steps.run())
      if (token.finish != FinishReason::none) finished.push_back(token);
  ASSERT_EQ(finished.size(), 2u);
  EXPECT_EQ(finished[0].finish, FinishReason::stop);
  EXPECT_EQ(finished[0].output_position, toy_output(stopping, 64).tokens.size() - 1);
  EXPECT_EQ(finished[1].finish, FinishReason::length);
  EXPECT_EQ(finished[1].output_position, 2u);  // 61 + 3 = 64
}

TEST(Scheduler, RunsNoMoreThanMaxNumSeqsAndKeepsTheBudget) {
  Steps steps;
  for (SequenceId id = 1; id <= 6; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 2, 3)));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 2}, S{2, 2}, S{3, 2}, S{4, 2}));
  EXPECT_EQ(steps.scheduler.stats().last_step_sequences, 4);
  EXPECT_EQ(steps.scheduler.stats().last_step_tokens, 8);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}, S{3, 1}, S{4, 1}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}, S{3, 1}, S{4, 1}));
  EXPECT_THAT(steps.shares(), ElementsAre(S{5, 2}, S{6, 2}));
}

TEST(Scheduler, APausedSequenceKeepsNobodyFromRunning) {
  Steps steps;
  for (SequenceId id = 1; id <= 5; ++id) ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 2, 9)));
  steps.run();
  steps.scheduler.pause(2);
  steps.scheduler.pause(3);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{4, 1}, S{5, 2}));  // 3 lost its seat to 5
  EXPECT_THAT(steps.request->released, ElementsAre(3));
  EXPECT_EQ(steps.scheduler.stats().preemptions, 1u);
  steps.scheduler.resume(2);
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}, S{4, 1}, S{5, 1}));
  for (SequenceId id : {1, 2, 4, 5}) steps.scheduler.pause(id);
  steps.scheduler.pause(3);  // as it is already
  EXPECT_TRUE(steps.scheduler.idle());
  steps.scheduler.resume(3);
  EXPECT_FALSE(steps.scheduler.idle());
  EXPECT_THAT(steps.shares(), ElementsAre(S{3, 3}));
}

TEST(Scheduler, APausedSequenceIsTheFirstToLoseItsBlocks) {
  Steps steps(small_limits(), 16);
  for (SequenceId id = 1; id <= 3; ++id)
    ASSERT_TRUE(steps.scheduler.submit(submission_of(id, 16, 9, TokenId(100 * id))));
  for (int i = 0; i < 3; ++i) steps.run();  // with the decodes five, five and four blocks
  steps.scheduler.pause(1);
  ASSERT_TRUE(steps.scheduler.submit(submission_of(4, 16, 9, 400)));
  steps.run();
  while (steps.reply.preempted.empty() && !steps.scheduler.idle()) steps.run();
  EXPECT_THAT(steps.reply.preempted, ElementsAre(1));
}

TEST(Scheduler, ACancelledSequenceIsForgottenAtOnceAndItsBlocksFollowTheStep) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 4, 9)));
  const auto plan = steps.plan();
  ASSERT_TRUE(plan);
  steps.scheduler.cancel(1);
  steps.scheduler.cancel(77);
  EXPECT_FALSE(steps.scheduler.propose()) << "a second step was planned while one is in flight";
  const auto committed = steps.scheduler.commit(steps.executor.execute(*plan));
  ASSERT_EQ(committed.size(), 1u);
  EXPECT_EQ(committed[0].sequence, 2u);
  EXPECT_THAT(steps.shares(), ElementsAre(S{2, 1}));
  EXPECT_THAT(steps.request->released, ElementsAre(1));
  EXPECT_EQ(steps.pool.usage().used, 2);
}

TEST(Scheduler, ASequenceThatIsCancelledWhileThePoolDecidesGivesItsGrantBack) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 4, 9)));
  const auto request = steps.scheduler.propose();
  ASSERT_TRUE(request);
  steps.scheduler.cancel(1);
  EXPECT_FALSE(steps.scheduler.dispose(steps.pool.reserve(*request)));
  EXPECT_EQ(steps.pool.usage().used, 1);
  EXPECT_FALSE(steps.plan());
  EXPECT_EQ(steps.pool.usage().used, 0);
}

TEST(Scheduler, PreemptsByRecomputeAndKeepsThePlaceInTheQueue) {
  SchedulerLimits limits = small_limits();
  limits.prefix_caching = false;
  Steps steps(limits, 16);
  const Submission first = submission_of(1, 20, 20), second = submission_of(2, 20, 20);
  ASSERT_TRUE(steps.scheduler.submit(first));
  ASSERT_TRUE(steps.scheduler.submit(second));
  std::map<SequenceId, std::vector<TokenId>> outputs;
  while (!steps.scheduler.idle())
    for (const CommittedToken& token : steps.run()) outputs[token.sequence].push_back(token.output.token);
  EXPECT_EQ(outputs[1], toy_output(first, 64).tokens);
  EXPECT_EQ(outputs[2], toy_output(second, 64).tokens);
  EXPECT_GT(steps.scheduler.stats().preemptions, 0u);
  EXPECT_GT(steps.scheduler.stats().replayed_tokens, 0u);
  EXPECT_GT(steps.scheduler.stats().prompt_tokens_computed, 40u);
}

TEST(Scheduler, SharesABlockOnlyOnceTheStepThatFilledItHasCommitted) {
  Steps steps;
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 9, 9)));
  const auto plan = steps.plan();
  EXPECT_THAT(steps.request->filled, IsEmpty());
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 9, 9)));
  steps.scheduler.commit(steps.executor.execute(*plan));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 1}));  // eight of nine tokens were cached
  EXPECT_EQ(steps.request->filled.size(), 2u);
  EXPECT_EQ(steps.reply.usage.prefix_hits, 8u);
}

TEST(Scheduler, SaltsSeparateCaches) {
  Steps steps;
  Submission salted = submission_of(2, 9, 9);
  salted.cache_salt = "other";
  ASSERT_TRUE(steps.scheduler.submit(submission_of(1, 9, 9)));
  steps.run();
  ASSERT_TRUE(steps.scheduler.submit(salted));
  EXPECT_THAT(steps.shares(), ElementsAre(S{1, 1}, S{2, 9}));
}

TEST(Scheduler, UrgentSequencesTakeSeatsAndBlocksFromTheOthers) {
  SchedulerLimits limits = small_limits();
  limits.max_num_seqs = 2;
  Steps steps(limits, 16, "priority");
  for (SequenceId id = 1; id <= 3; ++id) {
    Submission submission = submission_of(id, 2, 9);
    submission.priority = id == 3 ? 0 : 1;
    if (id == 3) steps.run();
    ASSERT_TRUE(steps.scheduler.submit(submission));
  }
  EXPECT_THAT(steps.shares(), ElementsAre(S{3, 2}, S{1, 1}));
  EXPECT_EQ(steps.scheduler.stats().preemptions, 1u);
}

TEST(Scheduler, ANewEpochVoidsTheStepInFlightAndReturnsEverySequence) {
  Steps steps;
  Submission first = submission_of(1, 8, 6);
  const ToyOutput alone = toy_output(first, 64);
  ASSERT_TRUE(steps.scheduler.submit(first));
  ASSERT_TRUE(steps.scheduler.submit(submission_of(2, 4, 6)));
  first.tokens.push_back(steps.run().at(0).output.token);
  const auto plan = steps.plan();
  ASSERT_TRUE(plan);
  steps.pool.reset();
  EXPECT_THAT(steps.scheduler.start_epoch(2), ElementsAre(1, 2));
  EXPECT_THAT(steps.scheduler.commit(steps.executor.execute(*plan)), IsEmpty());
  EXPECT_TRUE(steps.scheduler.idle());
  ASSERT_TRUE(steps.scheduler.submit(first));
  EXPECT_FALSE(steps.scheduler.dispose(steps.reply)) << "a reply of the old epoch was taken";
  const auto replayed = steps.run();
  ASSERT_EQ(replayed.size(), 1u);
  EXPECT_EQ(replayed[0].output_position, 1u);
  EXPECT_EQ(replayed[0].output.token, alone.tokens[1]);
  EXPECT_EQ(steps.scheduler.stats().replayed_tokens, 1u);
}

TEST(Engine, SchedulesRunsAndCommits) {
  ToyExecutor executor(32, 4);
  Engine engine(small_limits(), make_policy("decode_first"), 32, executor);
  std::map<SequenceId, std::vector<TokenId>> outputs;
  for (SequenceId id = 1; id <= 6; ++id) ASSERT_TRUE(engine.submit(submission_of(id, 20, 8, TokenId(id))));
  while (!engine.idle())
    for (const CommittedToken& token : engine.step()) outputs[token.sequence].push_back(token.output.token);
  for (SequenceId id = 1; id <= 6; ++id)
    EXPECT_EQ(outputs[id], toy_output(submission_of(id, 20, 8, TokenId(id)), 64).tokens);
  engine.step();
  EXPECT_EQ(engine.usage().used, 0);
}

}  // namespace
}  // namespace troupe::runtime
