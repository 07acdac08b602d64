#include "actors/replica_supervisor.hpp"

#include <gmock/gmock.h>

#include "tests/actors/actor_test.hpp"

namespace troupe::actors {
namespace {

using Kind = Drill::Kind;
using testing::HasSubstr;
using testing::Not;

// A request to which only the scheduler matters.
RequestHandle::behavior_type scheduler_listener(RequestHandle::pointer, SchedulerHandle* told) {
  return {[](const Tokenized&) {},    [](const TokenReady&) {},
          [](const Queued&) {},       [](const Refused&) {},
          [](const Interrupted&) {},  [told](const NewScheduler& news) { *told = news.scheduler; },
          [](const GiveUp&) {},       [](const Credit&) {},
          [](const TimeIsUp&) {},     [](const Withdraw&) {},
          [](const CancelRequest&) {}};
}

class SupervisorTest : public ActorTest {
 protected:
  static std::vector<runtime::GenerationRequest> assorted() {
    auto sampled = chat("Tell me a short story about an owl.", 0.8f);
    sampled.seed = 11;
    sampled.n = 2;
    std::vector<runtime::GenerationRequest> requests{chat("Count from 1 to 30."), chat("Solve 17 * 23"),
                                                     sampled};
    for (auto& request : requests) request.max_tokens = 24;
    return requests;
  }
  std::vector<Running> start_assorted() {
    std::vector<Running> started;
    for (const auto& request : assorted()) started.push_back(start(request));
    return started;
  }
  static void expect_equal(const Reader& struck, const Reader& calm) {
    EXPECT_EQ(struck.endings, 1);
    ASSERT_FALSE(struck.failure);
    EXPECT_EQ(struck.usage.completion_tokens, calm.usage.completion_tokens);
    ASSERT_EQ(struck.choices.size(), calm.choices.size());
    for (const auto& [index, choice] : calm.choices) {
      EXPECT_EQ(struck.choices.at(index).content, choice.content);
      EXPECT_EQ(struck.choices.at(index).finish_reason, choice.finish_reason);
    }
  }
  // As the edge tells every request of it.
  SchedulerHandle current_scheduler() {
    SchedulerHandle told;
    const auto listener = system.spawn(scheduler_listener, &told);
    self->send(requests, RequestBorn{listener, std::make_shared<TerminalOnce>(std::make_shared<Reader>())});
    run();
    self->send_exit(listener, caf::exit_reason::user_shutdown);
    run();
    return told;
  }
  void strike(Kind kind) { self->send(supervisor, Drill{.kind = kind}); }

  // Streams that a part's death strikes at several moments end as they would have without it.
  void expect_streams_outlive(Kind kind) {
    const auto calm = start_assorted();
    run();
    int replays = 0;
    for (int messages = 1; messages < 220; messages += 43) {
      SCOPED_TRACE("after " + std::to_string(messages) + " messages");
      const double replayed = metric("replayed_tokens_total");
      const auto struck = start_assorted();
      run_some(messages);
      const Epoch before = epoch();
      strike(kind);
      recover();
      EXPECT_EQ(epoch(), before + 1);
      EXPECT_EQ(state(), ReplicaState::serving);
      for (std::size_t i = 0; i < calm.size(); ++i) expect_equal(*struck[i].reader, *calm[i].reader);
      replays += metric("replayed_tokens_total") > replayed;
      scheduler.advance_time(std::chrono::seconds(1));  // a part that lived so long was healthy
    }
    EXPECT_GE(replays, 3) << "the drill must strike streams that have tokens to replay";
    EXPECT_EQ(metric("kv_cache_generation"), double(epoch()));
    EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
    EXPECT_EQ(metric("num_requests_running") + metric("num_requests_waiting"), 0);
  }
  static runtime::WorkerSeen seen(runtime::WorkerLife life) { return {life, 0, {}, {}, {}}; }
  void expect_failed(const Running& running) {
    ASSERT_TRUE(running.reader->failure);
    EXPECT_EQ(running.reader->failure->kind, RefusalKind::unavailable);
    EXPECT_EQ(running.reader->failure->code, "replica_failed");
    EXPECT_EQ(running.reader->endings, 1);
  }
};

TEST_F(SupervisorTest, StreamsGoOnWithTheSameBytesAfterTheWorkerDied) {
  expect_streams_outlive(Kind::crash_worker);
  EXPECT_EQ(status->view().ranks[0].restarts, restarts());
  EXPECT_GT(restarts(), 0u);
}

TEST_F(SupervisorTest, StreamsGoOnWithTheSameBytesAfterTheSchedulerDied) {
  expect_streams_outlive(Kind::crash_scheduler);
  EXPECT_EQ(restarts(), 0u) << "the worker keeps its weights";
}

TEST_F(SupervisorTest, StreamsGoOnWithTheSameBytesAfterABlockManagerDied) {
  expect_streams_outlive(Kind::crash_block_manager);
  EXPECT_EQ(restarts(), 0u);
}

TEST_F(SupervisorTest, NothingIsReplayedWhenAnExpertShardDied) {
  const auto calm = start_assorted();
  run();
  const Epoch before = epoch();
  const auto struck = start_assorted();
  for (int i = 0; i < 3; ++i) {
    run_some(60);
    strike(Kind::crash_expert_shard);
  }
  run();
  for (std::size_t i = 0; i < calm.size(); ++i) expect_equal(*struck[i].reader, *calm[i].reader);
  EXPECT_EQ(epoch(), before);
  EXPECT_EQ(metric("replayed_tokens_total"), 0);
  scheduler.trigger_timeouts();
  run();
  const double load = expert_load();
  EXPECT_GT(load, 0) << "its successor reports what was counted before";
}

TEST_F(SupervisorTest, PartsThatDieTogetherAreBroughtBackTogether) {
  const auto calm = start_assorted();
  run();
  const auto struck = start_assorted();
  run_some(100);
  for (const Kind kind : {Kind::crash_block_manager, Kind::crash_worker, Kind::crash_scheduler}) strike(kind);
  recover();
  EXPECT_EQ(state(), ReplicaState::serving);
  for (std::size_t i = 0; i < calm.size(); ++i) expect_equal(*struck[i].reader, *calm[i].reader);
}

TEST_F(SupervisorTest, ARequestThatIsBornWhileTheSchedulerIsReplacedIsServed) {
  auto request = chat("Count from 1 to 30.");
  request.max_tokens = 3;
  const auto calm = start(request);
  run();
  // Between any two messages of the replacement.
  for (int messages = 0; messages < 12; ++messages) {
    SCOPED_TRACE("after " + std::to_string(messages) + " messages");
    const Epoch before = epoch();
    strike(Kind::crash_scheduler);
    run_some(messages);
    const auto struck = start(request);
    run();
    EXPECT_EQ(epoch(), before + 1);
    expect_equal(*struck.reader, *calm.reader);
    scheduler.advance_time(std::chrono::seconds(1));
  }
}

TEST_F(SupervisorTest, GivesUpAfterDeathsOfTheWorkerInARowAndEndsEveryStreamOnce) {
  const auto running = start(chat("Count from 1 to 100."));
  run_some(80);
  int deaths = 0;
  while (state() != ReplicaState::failed && deaths < 20) {
    strike(Kind::crash_worker);
    ++deaths;
    // Once the crash has been seen, let the restart happen, but no step.
    for (int i = 0; i < 100 && state() == ReplicaState::serving; ++i) run_some(1);
    while (state() == ReplicaState::recovering && (scheduler.try_run_once() || scheduler.trigger_timeout())) {
    }
  }
  run();
  EXPECT_EQ(state(), ReplicaState::failed);
  // The first one comes behind committed steps.
  EXPECT_EQ(deaths, runtime::RestartPolicy::Limits{}.max_consecutive_restarts + 1);
  expect_failed(running);
  const auto late = start(chat("Hello"));
  run();
  expect_failed(late);
}

TEST_F(SupervisorTest, GivesUpAfterDeathsOfThePartsInARow) {
  const int limit = runtime::RestartPolicy::Limits{}.max_consecutive_restarts;
  for (const Kind kind : {Kind::crash_block_manager, Kind::crash_scheduler}) {
    const auto running = start(chat("Count from 1 to 100."));
    for (int i = 0; i < limit; ++i) {
      strike(kind);
      run_some(150);
      EXPECT_EQ(state(), ReplicaState::serving);
    }
    if (kind == Kind::crash_scheduler) {
      strike(kind);
      run();
      EXPECT_EQ(state(), ReplicaState::failed);
      expect_failed(running);
    } else {
      run();
      EXPECT_FALSE(running.reader->failure);
    }
  }
  const Epoch last = epoch();
  strike(Kind::crash_block_manager);
  strike(Kind::crash_worker);
  run();
  EXPECT_EQ(epoch(), last) << "it is over";
}

TEST_F(SupervisorTest, APartThatLivedForAWhileDiesForTheFirstTime) {
  for (int i = 0; i < 3 * runtime::RestartPolicy::Limits{}.max_consecutive_restarts; ++i) {
    strike(Kind::crash_scheduler);
    run();
    scheduler.advance_time(std::chrono::milliseconds(501));
  }
  EXPECT_EQ(state(), ReplicaState::serving);
}

TEST_F(SupervisorTest, ALoadThatFailsIsNeverReadyAndNotRepeated) {
  auto broken = settings();
  broken.model.checkpoint = "/no/such/folder";
  broken.status = std::make_shared<ReplicaStatus>();
  broken.requests = RequestSupervisorHandle{};
  const auto unlucky = system.spawn(replica_supervisor, broken);
  system.spawn(local_node, unlucky, spawn_worker({}), &ticks);
  while (scheduler.try_run_once()) ASSERT_NE(broken.status->state(), ReplicaState::serving);
  EXPECT_EQ(broken.status->state(), ReplicaState::failed);
  EXPECT_EQ(broken.status->view().ranks[0].restarts, 0u) << "it would only fail again";
  self->send(unlucky, End{});
  run();
}

TEST_F(SupervisorTest, WhatOldEpochsSayIsCountedAndChangesNothing) {
  const auto running = start(chat("Count from 1 to 30."));
  run_some(80);
  const Epoch now = epoch();
  double stale = metric("stale_messages_total");
  const auto expect_stale = [&] {
    run();
    EXPECT_EQ(metric("stale_messages_total"), ++stale);
    EXPECT_EQ(epoch(), now);
    EXPECT_EQ(state(), ReplicaState::serving);
  };
  self->send(supervisor, RankAddress{now - 1, "key", "address"});
  expect_stale();
  self->send(supervisor,
             runtime::StepFailed{{0, 1}, now - 1, runtime::StepFailed::Why::peer, "a peer is gone"});
  expect_stale();
  const SchedulerHandle current = current_scheduler();
  self->send(current, runtime::StepResult{now - 1, 1, 0, {}, {}});
  expect_stale();
  self->send(current, BeginEpoch{now - 1, {}, {}});
  expect_stale();
  self->send(supervisor, runtime::WorkerExited{seen({0, 77}), "signal 9"});
  expect_stale();
  self->send(supervisor, runtime::WorkerHangs{seen({5, 1}), runtime::Hang::stopped});
  expect_stale();
  self->send(supervisor, runtime::NodeTicks{{seen({0, 0})}});
  expect_stale();
  EXPECT_EQ(running.reader->endings, 1);
  EXPECT_FALSE(running.reader->failure);
}

TEST_F(SupervisorTest, ADeviceThatFailedIsCountedByItsKind) {
  runtime::WorkerSeen last = seen({0, 1});
  last.tick.device = {DeviceFaultKind::illegal_address, "experts"};
  self->send(supervisor, runtime::WorkerExited{last, "exit code 1"});
  run();
  EXPECT_THAT(metrics->text(), HasSubstr("troupe_device_errors_total{kind=\"illegal_address\""));
  EXPECT_EQ(status->view().ranks[0].last_fault->last.device.kernels, "experts");
}

TEST_F(SupervisorTest, ReadingsOfGpusAreShownWhereRanksComputeOnThem) {
  GpuReading reading{.rank = 0,
                     .uuid = "GPU-aa",
                     .name = "H200",
                     .answers = true,
                     .memory_total = 1000,
                     .memory_used = 100,
                     .watts = 350,
                     .ecc_corrected = 3};
  reading.xids[79] = 2;
  self->send(supervisor, GpuReadings{{reading}});
  run();
  EXPECT_THAT(metrics->text(), Not(HasSubstr("GPU-aa"))) << "the replica computes on CPUs";

  auto on_gpus = settings();
  on_gpus.model.device = "cuda";
  on_gpus.membership.tensor_parallel = 2;
  on_gpus.status = std::make_shared<ReplicaStatus>();
  on_gpus.requests = RequestSupervisorHandle{};
  const auto other = system.spawn(replica_supervisor, on_gpus);
  self->send(other, GpuReadings{{reading,
                                 {.rank = 1, .answers = true, .memory_total = 1000, .memory_used = 700},
                                 {.rank = 2, .answers = true}}});
  run();
  EXPECT_EQ(on_gpus.status->view().gpu_memory_available, 300u);
  const std::string labels = R"({gpu="GPU-aa",model_name="demo",name="H200",rank="0"})";
  for (const std::string& line :
       {"up" + labels + " 1\n", "memory_used_bytes" + labels + " 100\n", "power_watts" + labels + " 350\n"})
    EXPECT_THAT(metrics->text(), HasSubstr("troupe_gpu_" + line));
  EXPECT_THAT(metrics->text(), Not(HasSubstr("troupe_gpu_temperature_celsius{")));
  EXPECT_THAT(metrics->text(), HasSubstr(R"(name="H200",rank="0",xid="79"} 2)"));

  reading.answers = false;
  self->send(other, GpuReadings{{reading}});
  run();
  EXPECT_THAT(metrics->text(), HasSubstr("troupe_gpu_up" + labels + " 0\n"));
  EXPECT_THAT(metrics->text(), Not(HasSubstr("memory_used_bytes" + labels)));
  EXPECT_EQ(on_gpus.status->view().gpu_memory_available, 300u);
  self->send(other, End{});
  run();
}

TEST_F(SupervisorTest, AWorkerOfAnEarlierLifeIsSentAway) {
  const WorkerHandle late = spawn_worker({})(system);
  self->monitor(late);
  const Epoch before = epoch();
  self->send(supervisor, WorkerIntroduced{{{0, 0}, 1234}, late});
  run();
  bool gone = false;
  self->receive([&](const caf::down_msg& down) { gone = down.source == late.address(); },
                caf::after(std::chrono::seconds(0)) >> [] {});
  EXPECT_TRUE(gone);
  EXPECT_EQ(epoch(), before);
  EXPECT_EQ(metric("stale_messages_total"), 1);
  EXPECT_NE(status->view().ranks[0].pid, 1234);
}

}  // namespace
}  // namespace troupe::actors
