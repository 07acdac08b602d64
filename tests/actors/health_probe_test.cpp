#include "actors/health_probe.hpp"

#include <gtest/gtest.h>

#include "tests/actors/edge/scripted_service.hpp"

namespace troupe::actors {
namespace {

using edge::ScriptedService;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct HealthProbeTest : testing::Test {
  // Until the probe says so; the test's own deadline ends it otherwise.
  static void wait_until(const HealthProbe& probe, bool failed) {
    while (probe.failed() != failed) std::this_thread::yield();
  }
  void commit_steps(std::uint64_t steps) {
    runtime::ScheduleView view;
    view.stats.steps = steps;
    service.show(std::move(view));
  }

  ScriptedService service;
};

TEST_F(HealthProbeTest, AsksForOneTokenAndIsContentWithIt) {
  HealthProbe probe(service, {milliseconds(1), seconds(20)});
  for (int i = 0; i < 2; ++i) {
    const auto asked = service.next();
    EXPECT_EQ(asked->request.max_tokens, 1);
    EXPECT_EQ(std::get<std::vector<TokenId>>(asked->request.prompts.front()).size(), 1u);
    asked->text(0, "a");
    asked->finish(0);
    asked->end({});
    asked->wait_destroyed();
    EXPECT_FALSE(probe.failed());
  }
}

TEST_F(HealthProbeTest, AFailureInsideIsOneAndAFullServerIsNone) {
  HealthProbe probe(service, {milliseconds(1), seconds(20)});
  service.next()->fail({RefusalKind::internal, "broken", "", ""});
  wait_until(probe, true);
  service.next()->fail({RefusalKind::unavailable, "full", "", "queue_full"});
  wait_until(probe, false);
}

TEST_F(HealthProbeTest, SilenceIsAFailureUnlessStepsAreCommitted) {
  HealthProbe probe(service, {milliseconds(1), milliseconds(20)});
  const auto asked = service.next();
  for (std::uint64_t step = 1; step < 1000; ++step) commit_steps(step);
  wait_until(probe, true);
  asked->wait_destroyed();
  service.next()->end({});
  wait_until(probe, false);
}

TEST_F(HealthProbeTest, WaitsUntilTheServerIsReadyAndLeavesAtOnce) {
  service.is_ready = false;
  HealthProbe probe(service, {milliseconds(1), seconds(20)});
  EXPECT_TRUE(service.idle());
  service.is_ready = true;
  service.next();  // its answer is not waited for
}

}  // namespace
}  // namespace troupe::actors
