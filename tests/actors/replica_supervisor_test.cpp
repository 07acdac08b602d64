#include "actors/replica_supervisor.hpp"

#include "tests/actors/actor_test.hpp"

namespace troupe::actors {
namespace {

using SupervisorTest = ActorTest;

std::vector<GenerationRequest> assorted() {
  auto sampled = chat("Tell me a short story about an owl.", 0.8f);
  sampled.seed = 11;
  sampled.n = 2;
  std::vector<GenerationRequest> requests{chat("Count from 1 to 30."), chat("Solve 17 * 23"), sampled};
  for (auto& request : requests) request.max_tokens = 80;
  return requests;
}

TEST_F(SupervisorTest, StreamsGoOnWithTheSameBytesAfterTheWorkerDied) {
  std::vector<Running> calm;
  for (const auto& request : assorted()) calm.push_back(start(request));
  run();
  int replays = 0;
  for (int messages = 20; messages < 400; messages += 63) {
    const double replayed = metric("replayed_tokens_total");
    std::vector<Running> struck;
    for (const auto& request : assorted()) struck.push_back(start(request));
    run_some(messages);
    const Epoch before = status->epoch;
    self->send(supervisor, CrashWorker{});
    run();
    EXPECT_EQ(status->epoch, before + 1);
    EXPECT_EQ(status->state, ReplicaStatus::State::serving);
    for (std::size_t i = 0; i < calm.size(); ++i) {
      EXPECT_EQ(struck[i].reader->endings, 1);
      ASSERT_FALSE(struck[i].reader->failure);
      EXPECT_EQ(struck[i].reader->usage.completion_tokens, calm[i].reader->usage.completion_tokens);
      for (const auto& [index, choice] : calm[i].reader->choices) {
        EXPECT_EQ(struck[i].reader->choices[index].content, choice.content)
            << "after " << messages << " messages";
        EXPECT_EQ(struck[i].reader->choices[index].finish_reason, choice.finish_reason);
      }
    }
    replays += metric("replayed_tokens_total") > replayed;
  }
  EXPECT_GE(replays, 3) << "the drill must strike streams that have tokens to replay";
  EXPECT_GT(metric("kv_cache_generation"), 0);
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
}

TEST_F(SupervisorTest, GivesUpAfterDeathsInARowAndEndsEveryStreamOnce) {
  auto running = start(chat("Count from 1 to 100."));
  run_some(80);
  for (int i = 0; i < 100 && status->state != ReplicaStatus::State::failed; ++i) {
    self->send(supervisor, CrashWorker{});
    // Once the crash has been seen, let the restart happen, but no step.
    for (int j = 0; j < 100 && status->state != ReplicaStatus::State::recovering; ++j) run_some(1);
    while (status->state == ReplicaStatus::State::recovering &&
           (scheduler.try_run_once() || scheduler.trigger_timeout())) {
    }
  }
  run();
  EXPECT_EQ(status->state, ReplicaStatus::State::failed);
  ASSERT_TRUE(running.reader->failure);
  EXPECT_EQ(running.reader->failure->kind, RefusalKind::unavailable);
  EXPECT_EQ(running.reader->endings, 1);
  auto late = start(chat("Hello"));
  run();
  ASSERT_TRUE(late.reader->failure);
  EXPECT_EQ(late.reader->failure->code, "replica_failed");
}

TEST_F(SupervisorTest, ALoadThatFailsIsNeverReadyAndNotRepeated) {
  auto broken = settings();
  broken.worker.progress->stop = true;  // reading fails each time
  broken.status = std::make_shared<ReplicaStatus>();
  auto lone = system.spawn(scheduler_actor, limits_, policy, metrics);
  auto unlucky = system.spawn(replica_supervisor, broken, lone);
  while (scheduler.try_run_once() || scheduler.trigger_timeout())
    ASSERT_NE(broken.status->state, ReplicaStatus::State::serving);
  EXPECT_EQ(broken.status->state, ReplicaStatus::State::failed);
  EXPECT_EQ(broken.status->restarts, 0u) << "it would only fail again";
  self->send(unlucky, caf::ok_atom::value);
  run();
}

TEST_F(SupervisorTest, AWorkerClosesItsDoorToPlansOfAnotherEpoch) {
  auto lone = system.spawn(worker, settings().worker);
  auto joined = self->request(lone, caf::infinite, JoinEpoch{5});
  run();
  joined.receive([](const Joined& answer) { EXPECT_EQ(answer.epoch, 5u); }, [](caf::error&) { FAIL(); });
  runtime::StepPlan plan;
  plan.epoch = 4;
  plan.groups.push_back({});
  auto stale = self->request(lone, caf::infinite, plan);
  run();
  stale.receive([](const runtime::StepResult&) { FAIL(); },
                [](caf::error& error) { EXPECT_EQ(error, caf::sec::invalid_argument); });
  EXPECT_EQ(metric("stale_messages_total"), 1);
  self->send_exit(lone, caf::exit_reason::user_shutdown);
}

}  // namespace
}  // namespace troupe::actors
