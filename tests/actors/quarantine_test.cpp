// A request that kills workers, among others that do not.
#include <gmock/gmock.h>

#include <set>

#include "runtime/scheduling/suspects.hpp"
#include "tests/actors/actor_test.hpp"

namespace troupe::actors {
namespace {

constexpr TokenId killing_token = 299;  // in no other prompt

// In front of a compute actor, whose steps end it if they have a sequence with the token.
struct FragileState {
  static inline const char* name = "fragile";
  std::set<SequenceId> killers;  // as far as they were begun
};

ComputeHandle::behavior_type fragile(ComputeHandle::stateful_pointer<FragileState> self, ComputeHandle behind,
                                     TickBoard* ticks, const bool* kills) {
  self->attach_functor([behind] { caf::anon_send_exit(behind, caf::exit_reason::user_shutdown); });
  return {
      [=](const LoadOrder& order) { self->send(behind, order); },
      [=](const CacheOrder& order) { self->send(behind, order); },
      [=](const JoinOrder& order) { self->send(behind, order); },
      [=](const StepOrder& order) {
        auto& killers = self->state.killers;
        for (const runtime::Begin& begin : order.plan.begin)
          if (std::ranges::count(begin.tokens, killing_token) > 0) killers.insert(begin.sequence);
        const bool found = std::ranges::any_of(
            order.plan.extend, [&](const runtime::Extend& part) { return killers.contains(part.sequence); });
        if (!found || !*kills) return self->send(behind, order);
        ticks->begin_step(order.plan.epoch, order.plan.step);
        self->quit(caf::make_error(caf::sec::runtime_error, "a kernel failed"));
      },
      [=](const Drill& order) {
        self->send(behind, order);
        self->quit(caf::make_error(caf::sec::runtime_error, "fault drill"));
      },
  };
}

class QuarantineTest : public ActorTest {
 protected:
  SpawnWorker worker_of_replica() override {
    const WorkerOptions options{.ticks = &ticks, .progress = &progress};
    return [this, options](caf::actor_system& system) {
      return system.spawn(worker, options,
                          system.spawn(fragile, system.spawn(compute, options), options.ticks, &kills));
    };
  }
  static std::vector<runtime::GenerationRequest> harmless() {
    std::vector<runtime::GenerationRequest> requests{chat("Count from 1 to 30."), chat("Solve 17 * 23"),
                                                     chat("Tell me a short story about an owl."),
                                                     chat("Who are you?")};
    for (auto& request : requests) request.max_tokens = 24;
    return requests;
  }
  static runtime::GenerationRequest deadly() {
    runtime::GenerationRequest request = chat("");
    request.prompts = {std::vector<TokenId>{324, killing_token, 329}};
    request.max_tokens = 60;
    request.ignore_eos = true;
    return request;
  }
  static void expect_quarantined(const Running& running) {
    EXPECT_EQ(running.reader->endings, 1);
    ASSERT_TRUE(running.reader->failure);
    EXPECT_EQ(running.reader->failure->kind, RefusalKind::invalid);
    EXPECT_EQ(running.reader->failure->code, "request_quarantined");
  }
  static std::string text(const Running& running) {
    EXPECT_EQ(running.reader->endings, 1);
    EXPECT_FALSE(running.reader->failure);
    return running.reader->choices[0].content + "/" + running.reader->choices[0].finish_reason;
  }
  // Until nothing dies any more.
  void run_to_the_end() {
    for (Epoch before = 0; before != epoch();) {
      before = epoch();
      recover();
    }
    EXPECT_EQ(state(), ReplicaState::serving);
  }

  bool kills = true;
};

TEST_F(QuarantineTest, ARequestThatKillsAloneIsStoppedAfterTheSecondDeath) {
  const auto killer = start(deadly());
  run_to_the_end();
  expect_quarantined(killer);
  EXPECT_EQ(restarts(), 2u);
  EXPECT_EQ(metric("requests_quarantined_total"), 1);
  const auto next = start(harmless()[0]);
  run();
  EXPECT_FALSE(text(next).empty());
}

TEST_F(QuarantineTest, OthersOfItsBatchesFinishWithTheirBytes) {
  std::vector<Running> calm, struck;
  for (const auto& request : harmless()) calm.push_back(start(request));
  run();
  for (const auto& request : harmless()) {
    struck.push_back(start(request));
    run_some(7);
  }
  const auto killer = start(deadly());
  run_to_the_end();
  expect_quarantined(killer);
  for (std::size_t i = 0; i < calm.size(); ++i) EXPECT_EQ(text(struck[i]), text(calm[i]));
  EXPECT_GE(restarts(), 2u);
  EXPECT_LE(restarts(), 5u) << "two, and the logarithm of five";
  EXPECT_EQ(metric("requests_quarantined_total"), 1);
  EXPECT_EQ(metric("kv_cache_usage_perc"), 0);
  EXPECT_EQ(metric("num_requests_running") + metric("num_requests_waiting"), 0);
}

// Its reader keeps what it has, and is told why there is no more.
TEST_F(QuarantineTest, AStreamThatHasBegunGetsItAsItsEnd) {
  kills = false;
  const auto killer = start(deadly());
  run_some(200);
  ASSERT_EQ(killer.reader->endings, 0);
  const int before = killer.reader->choices[0].deltas;
  EXPECT_GT(before, 0);
  kills = true;
  run_to_the_end();
  expect_quarantined(killer);
  EXPECT_GE(killer.reader->choices[0].deltas, before);
}

// Somebody kills again and again, and the stream goes on between.
TEST_F(QuarantineTest, AStreamThatOthersKillWorkersUnderIsNoKiller) {
  kills = false;
  const auto calm = start(deadly());
  run();
  const auto struck = start(deadly());
  run_some(100);
  for (int deaths = 0; deaths < 10 && struck.reader->endings == 0; ++deaths) {
    const int before = struck.reader->choices[0].deltas;
    self->send(supervisor, Drill{.kind = Drill::Kind::crash_worker});
    while (state() == ReplicaState::serving) run_some(1);
    while (struck.reader->choices[0].deltas < before + 3 && struck.reader->endings == 0)
      if (!scheduler.try_run_once()) scheduler.trigger_timeout();
  }
  run_to_the_end();
  EXPECT_EQ(text(struck), text(calm));
  EXPECT_GT(restarts(), 4u);
  EXPECT_EQ(metric("requests_quarantined_total"), 0);
}

}  // namespace
}  // namespace troupe::actors
