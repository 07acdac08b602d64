#include "runtime/lab/simulation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "runtime/lab/generator.hpp"
#include "tests/runtime/lab/list_trace.hpp"

namespace troupe::runtime::lab {
namespace {

constexpr double tick = 1.0 / 64;  // of what a step takes, so that sums are exact

SimulationSettings settings_of(std::string policy, std::vector<std::string> options = {}) {
  SimulationSettings settings;
  settings.limits = {.max_num_batched_tokens = 64,
                     .max_step_time = std::chrono::milliseconds(0),
                     .max_num_seqs = 8,
                     .max_model_len = 256,
                     .block_size = 4};
  settings.make_policy = [policy, options] { return make_policy(policy, options); };
  settings.blocks = 256;
  return settings;
}

ServiceReport simulate(const SimulationSettings& settings, std::deque<TraceRequest> requests,
                       const CostModel& cost = LinearCost(tick, 0, 0)) {
  ListTrace trace(std::move(requests));
  return Simulation(settings, trace, cost).run();
}

TEST(Simulation, ARequestTakesAStepForEachOfItsTokens) {
  ListTrace trace({request_of(1, 2, 100, 5)});
  const LinearCost cost(tick, 0, 0);
  Simulation simulation(settings_of("fcfs"), trace, cost);
  std::vector<ServedRequest> served;
  simulation.on_request = [&](const ServedRequest& each) { served.push_back(each); };
  const ServiceReport report = simulation.run();
  ASSERT_EQ(served.size(), 1u);
  EXPECT_EQ(served[0].arrived, 2);
  EXPECT_EQ(served[0].admitted, 2);
  EXPECT_EQ(served[0].ttft(), 2 * tick) << "a prompt of two chunks";
  EXPECT_EQ(served[0].tpot(), tick);
  EXPECT_EQ(served[0].longest_gap, tick);
  EXPECT_EQ(served[0].ended, 2 + 6 * tick);
  EXPECT_EQ(report.steps, 6u);
  EXPECT_EQ(report.computing, 6 * tick);
  EXPECT_EQ(report.output_tokens, 5u);
  EXPECT_EQ(report.seconds, 2 + 6 * tick);
}

TEST(Simulation, RanksDoMoreThanCompute) {
  const ServedCost cost(std::make_unique<LinearCost>(tick, 0, 0), 3 * tick);
  const ServiceReport report = simulate(settings_of("fcfs"), {request_of(1, 0, 10, 4)}, cost);
  EXPECT_EQ(report.seconds, 4 * 4 * tick);
  const StepLoad load{.rows = 1};
  double sum = 0;
  for (const CostPart& part : cost.explain(load)) sum += part.seconds;
  EXPECT_EQ(sum, 4 * tick);
  EXPECT_EQ(cost.explain(load).back().name, "overhead");
}

// Of five steps behind each other, each waits for its plan; of two in flight one computes while the other's is on its way.
TEST(Simulation, AStepInFlightHidesTheNextOnesTurnaround) {
  auto settings = settings_of("fcfs");
  const auto seconds = [&](double turnaround, std::int32_t in_flight) {
    settings.turnaround = turnaround;
    settings.limits.max_steps_in_flight = in_flight;
    return simulate(settings, {request_of(1, 0, 10, 5)}).seconds;
  };
  EXPECT_NEAR(seconds(tick / 2, 1), 5 * (tick + tick / 2), 1e-9);
  EXPECT_NEAR(seconds(tick / 2, 2), tick / 2 + 5 * tick, 1e-9);
  EXPECT_NEAR(seconds(3 * tick, 1), 5 * 4 * tick, 1e-9);
  EXPECT_NEAR(seconds(3 * tick, 2), 3 * 4 * tick, 1e-9) << "two steps a turn";
}

TEST(Simulation, DeliveryDelaysWhatClientsSeeAndNoStep) {
  auto settings = settings_of("fcfs");
  settings.delivery = 3 * tick;
  ListTrace trace({request_of(1, 2, 100, 5)});
  const LinearCost cost(tick, 0, 0);
  Simulation simulation(settings, trace, cost);
  std::vector<ServedRequest> served;
  simulation.on_request = [&](const ServedRequest& each) { served.push_back(each); };
  EXPECT_EQ(simulation.run().computing, 6 * tick);
  ASSERT_EQ(served.size(), 1u);
  EXPECT_NEAR(served[0].ttft(), 5 * tick, 1e-9);
  EXPECT_NEAR(served[0].tpot(), tick, 1e-9);
}

TEST(Simulation, RequestsWaitForTheirTurn) {
  auto settings = settings_of("fcfs");
  settings.limits.max_num_seqs = 1;
  settings.levels = {.ttft_slo_ms = 70};
  const ServiceReport report = simulate(settings, {request_of(1, 0, 10, 4), request_of(2, 0, 10, 4)});
  EXPECT_EQ(report.served, 2u);
  EXPECT_EQ(report.good, 1u) << "the second one comes after four ticks";
  EXPECT_NEAR(report.queueing.at(1), 4 * tick, tick);
  EXPECT_EQ(report.most_live, 2u);
}

TEST(Simulation, AFullQueueRefuses) {
  auto settings = settings_of("fcfs");
  settings.limits.max_waiting = 3;
  settings.limits.max_num_seqs = 1;
  std::deque<TraceRequest> requests;
  for (std::uint64_t i = 0; i < 10; ++i) requests.push_back(request_of(i, 0, 10, 4));
  requests.push_back(request_of(11, 100, 300, 4));  // longer than the context
  const ServiceReport report = simulate(settings, requests);
  EXPECT_EQ(report.served, 4u) << "one runs and three wait";
  EXPECT_EQ(report.refused, 7u);
}

TEST(Simulation, EqualContentsShareWhatIsCached) {
  std::deque<TraceRequest> requests;
  requests.push_back({.arrives = 0, .prompt = {{7, 40}, {8, 10}}, .output_tokens = 8, .answer = 9});
  requests.push_back({.arrives = 1, .prompt = {{7, 40}, {10, 10}}, .output_tokens = 8, .answer = 11});
  // The next turn of the first.
  requests.push_back(
      {.arrives = 2, .prompt = {{7, 40}, {8, 10}, {9, 8}, {12, 6}}, .output_tokens = 2, .answer = 13});
  ListTrace trace(requests);
  const LinearCost cost(tick, 0, 0);
  Simulation simulation(settings_of("fcfs"), trace, cost);
  std::vector<std::int32_t> cached;
  simulation.on_request = [&](const ServedRequest& each) { cached.push_back(each.cached_tokens); };
  simulation.run();
  EXPECT_THAT(cached, testing::ElementsAre(0, 40, 56));
}

// However long the answer takes; another conversation arrives meanwhile.
TEST(Simulation, ATurnWaitsForTheAnswerBeforeIt) {
  TraceRequest first = request_of(1, 0, 40, 64);
  first.later = {{.thinks = 0, .says = {100, 4}, .output_tokens = 2, .answer = 101},
                 {.thinks = 3, .says = {102, 6}, .output_tokens = 4, .answer = 103}};
  ListTrace trace({first, request_of(2, 2, 8, 2)});
  const LinearCost cost(tick, 0, 0);
  Simulation simulation(settings_of("fcfs"), trace, cost);
  std::vector<ServedRequest> served;
  simulation.on_request = [&](const ServedRequest& each) { served.push_back(each); };
  EXPECT_EQ(simulation.run().served, 4u);
  ASSERT_EQ(served.size(), 4u);
  EXPECT_EQ(served[0].ended, 1);
  EXPECT_EQ(served[1].arrived, 2) << "who is no part of it comes when it comes";
  EXPECT_EQ(served[2].arrived, served[0].ended + 3);
  EXPECT_EQ(served[2].prompt_tokens, 40 + 64 + 6);
  EXPECT_EQ(served[2].cached_tokens, 100)
      << "the last token of an answer is never computed, nor is its block full";
  EXPECT_EQ(served[3].arrived, served[2].ended);
}

TEST(Simulation, ARefusedTurnEndsItsConversation) {
  TraceRequest first = request_of(1, 0, 100, 100);
  first.later = {{.thinks = 1, .says = {100, 1}, .output_tokens = 1, .answer = 101},
                 {.thinks = 1, .says = {102, 60}, .output_tokens = 1, .answer = 103}};
  const ServiceReport report = simulate(settings_of("fcfs"), {first});
  EXPECT_EQ(report.served, 1u);
  EXPECT_EQ(report.refused, 1u) << "of a context of 256 tokens its second turn has 260";
}

TEST(Simulation, APoolThatIsTooSmallPreempts) {
  auto settings = settings_of("fcfs");
  settings.blocks = 64;
  std::deque<TraceRequest> requests;
  for (std::uint64_t i = 0; i < 8; ++i) requests.push_back(request_of(i, 0, 30, 100));
  const ServiceReport report = simulate(settings, requests);
  EXPECT_EQ(report.served, 8u);
  EXPECT_GT(report.preemptions, 0u);
}

TEST(Simulation, GroupsComputeSideBySide) {
  auto settings = settings_of("decode_first");
  settings.groups = 2;
  settings.limits.max_num_seqs = 1;
  const ServiceReport report = simulate(settings, {request_of(1, 0, 10, 4), request_of(2, 0, 10, 4)});
  EXPECT_EQ(report.seconds, 6 * tick) << "two steps were planned when the second one came";
}

TEST(Simulation, DraftsThatAreRightSaveSteps) {
  auto settings = settings_of("fcfs");
  settings.limits.speculation = {DraftMethod::ngram, 3, false};
  const std::deque<TraceRequest> requests{request_of(1, 0, 10, 81)};
  const auto steps = [&](double acceptance) {
    settings.acceptance = acceptance;
    return simulate(settings, requests).steps;
  };
  EXPECT_EQ(steps(0), 81u);
  EXPECT_LT(steps(0.7), 60u);
  EXPECT_LE(steps(1), 24u);
}

TEST(Simulation, ReplicasServeSideBySide) {
  auto settings = settings_of("fcfs");
  settings.limits.max_num_seqs = 1;
  const std::deque<TraceRequest> requests{request_of(1, 0, 10, 4), request_of(2, 0, 10, 4),
                                          request_of(3, 0, 10, 4), request_of(4, 0, 10, 4)};
  EXPECT_EQ(simulate(settings, requests).seconds, 16 * tick);
  settings.replicas = 4;
  const ServiceReport report = simulate(settings, requests);
  EXPECT_EQ(report.seconds, 4 * tick);
  EXPECT_EQ(report.computing, 4 * tick) << "of each, on average";
  EXPECT_EQ(report.served, 4u);
}

// Conversations go back to the replica that has their beginning.
TEST(Simulation, APrefixAwareRouterFindsMoreCached) {
  auto settings = settings_of("fcfs");
  settings.replicas = 4;
  std::deque<TraceRequest> requests;
  for (std::uint64_t turn = 0; turn < 6; ++turn)
    for (std::uint64_t chat = 0; chat < 7; ++chat) {
      TraceRequest each = request_of(1000 + turn * 7 + chat, double(turn * 7 + chat), 8, 4);
      each.prompt.insert(each.prompt.begin(), Passage{chat * 2 + 1, std::int32_t(20 + turn * 8)});
      requests.push_back(each);
    }
  const auto cached = [&](const char* router) {
    settings.router = router;
    return simulate(settings, requests).cached_tokens;
  };
  EXPECT_GT(cached("prefix_aware"), 2 * cached("round_robin"));
}

TEST(Simulation, ADeadRankCostsItsGroupAReplayAndNobodyARequest) {
  auto settings = settings_of("fcfs");
  settings.groups = 2;
  settings.replicas = 2;
  settings.deaths_per_hour = 3600;
  settings.recovery_seconds = 0.25;
  std::deque<TraceRequest> requests;
  for (std::uint64_t i = 0; i < 300; ++i) requests.push_back(request_of(i, double(i) * tick, 40, 60, i % 3));
  std::map<std::pair<std::int32_t, std::int32_t>, int> given;
  const auto run = [&](std::uint64_t seed) {
    given.clear();
    settings.seed = seed;
    ListTrace trace(requests);
    const LinearCost cost(tick, 0, 0);
    Simulation simulation(settings, trace, cost);
    simulation.on_request = [&](const ServedRequest& each) {
      ++given[{each.prompt_tokens, each.output_tokens}];
    };
    return simulation.run();
  };
  const ServiceReport report = run(1);
  EXPECT_EQ(report.served, 300u);
  EXPECT_EQ(given.size(), 1u);
  EXPECT_EQ(given.begin()->second, 300);
  EXPECT_GT(report.deaths, 2u);
  EXPECT_GT(report.interrupted, report.deaths);
  EXPECT_GT(report.replayed_tokens, 0u);
  EXPECT_EQ(run(1).schedule, report.schedule);
  EXPECT_NE(run(2).schedule, report.schedule);
  settings.deaths_per_hour = 0;
  const ServiceReport undisturbed = run(1);
  EXPECT_EQ(undisturbed.deaths, 0u);
  EXPECT_LT(undisturbed.seconds, report.seconds);
}

// The only group dies once: everybody is silent from the death to the first step behind the recovery.
TEST(Simulation, ARecoveryTakesAsLongAsItIsSaidTo) {
  auto settings = settings_of("fcfs");
  settings.deaths_per_hour = 1e-3;
  settings.recovery_seconds = 3;
  const double death = Failures(settings.deaths_per_hour, 1, 0).next();
  ListTrace trace({request_of(1, death - 10.5 * tick, 10, 40)});
  const LinearCost cost(tick, 0, 0);
  Simulation simulation(settings, trace, cost);
  ServedRequest served;
  simulation.on_request = [&](const ServedRequest& each) { served = each; };
  const ServiceReport report = simulation.run();
  EXPECT_EQ(report.deaths, 1u);
  EXPECT_EQ(served.output_tokens, 40);
  EXPECT_NEAR(served.longest_gap, 3 + 1.5 * tick, 1e-3)
      << "half a step was lost; prompt and answer come again";
  EXPECT_EQ(report.replayed_tokens, 10u);
}

TEST(Simulation, RanksThatDieFasterThanTheyRecoverAreFoundOut) {
  auto settings = settings_of("fcfs");
  settings.deaths_per_hour = 3600 * 100;
  settings.recovery_seconds = 10;
  EXPECT_THROW(simulate(settings, {request_of(1, 0, 10, 4)}), Error);
}

TEST(Simulation, DeathsWhileNobodyWaitsAreNoReasonToGiveUp) {
  auto settings = settings_of("fcfs");
  settings.deaths_per_hour = 3600;
  settings.recovery_seconds = 1;
  const ServiceReport report = simulate(settings, {request_of(1, 0, 10, 2), request_of(2, 20'000, 10, 2)});
  EXPECT_EQ(report.served, 2u);
  EXPECT_GT(report.deaths, most_deaths_in_a_row);
}

class Nobody final : public BatchPolicy {
 public:
  std::string_view name() const override { return "nobody"; }
  void propose(const SchedulerView&, std::int32_t, Proposal&) override {}
};

TEST(Simulation, APolicyThatLetsNobodyRunIsFoundOut) {
  auto settings = settings_of("fcfs");
  settings.make_policy = [] { return std::make_unique<Nobody>(); };
  EXPECT_THROW(simulate(settings, {request_of(1, 0, 10, 4)}), Error);
}

TEST(Simulation, APoolMustHoldTheLongestSequence) {
  auto settings = settings_of("fcfs");
  settings.blocks = 63;
  EXPECT_THROW(simulate(settings, {}), Error);
}

class EveryPolicy : public ::testing::TestWithParam<std::string> {};

std::deque<TraceRequest> drawn_requests() {
  std::deque<TraceRequest> requests;
  double at = 0;
  const auto count = *rc::gen::inRange<std::uint64_t>(0, 60);
  for (std::uint64_t i = 0; i < count; ++i) {
    at += *rc::gen::inRange(0, 5) * tick;
    TraceRequest each = request_of(100 + i, at, *rc::gen::inRange(1, 100), *rc::gen::inRange(1, 60),
                                   *rc::gen::inRange<std::uint64_t>(0, 4));
    each.prompt.insert(each.prompt.begin(),
                       Passage{*rc::gen::inRange<ContentId>(0, 3), *rc::gen::inRange(0, 40)});
    each.priority = *rc::gen::inRange(0, 3);
    if (*rc::gen::arbitrary<bool>())
      each.slo = {*rc::gen::inRange(0, 500), *rc::gen::inRange(0, 50), *rc::gen::inRange(0, 3000)};
    requests.push_back(each);
  }
  return requests;
}

// The simulation itself checks that no block leaks.
TEST_P(EveryPolicy, ServesEachRequestOnceWithinItsBudgets) {
  const bool held = rc::check([&] {
    auto settings = settings_of(GetParam());
    settings.limits.max_num_batched_tokens = *rc::gen::inRange(1, 100);
    settings.limits.max_num_seqs = *rc::gen::inRange(1, 12);
    settings.limits.max_steps_in_flight = *rc::gen::inRange(1, 3);
    settings.limits.prefix_caching = *rc::gen::arbitrary<bool>();
    settings.blocks = *rc::gen::inRange(64, 200);
    settings.groups = *rc::gen::inRange(1, 3);
    settings.replicas = *rc::gen::inRange(1, 4);
    settings.router = *rc::gen::elementOf(router_names());
    settings.deaths_per_hour = 3600 * *rc::gen::inRange(0, 3);
    settings.recovery_seconds = *rc::gen::inRange(0, 20) * tick;
    const auto requests = drawn_requests();
    std::map<std::pair<std::int64_t, std::int32_t>, int> asked, given;  // by lengths
    for (const TraceRequest& each : requests) ++asked[{each.prompt_tokens(), each.output_tokens}];
    const LinearCost cost(tick, tick / 64, 0);
    const auto run = [&] {
      given.clear();
      ListTrace trace(requests);
      Simulation simulation(settings, trace, cost);
      simulation.on_step = [&](const SimulatedStep& step) {
        for (const StepLoad& load : step.loads) {
          RC_ASSERT(load.rows <= settings.limits.max_num_batched_tokens);
          RC_ASSERT(load.sequences <= settings.limits.max_num_seqs);
        }
      };
      simulation.on_request = [&](const ServedRequest& each) {
        ++given[{each.prompt_tokens, each.output_tokens}];
      };
      return simulation.run();
    };
    const ServiceReport report = run();
    RC_ASSERT(given == asked);
    RC_ASSERT(report.served == requests.size());
    RC_ASSERT(run().schedule == report.schedule);
  });
  EXPECT_TRUE(held);
}

// Forty questions to a text that fills most of a step: only what is not cached of it counts, so that the seats are the limit.
TEST_P(EveryPolicy, AdmitsAsManyAsTheBudgetHoldsWithoutWhatIsCached) {
  std::deque<TraceRequest> requests{request_of(1, 0, 48, 1)};
  for (std::uint64_t i = 0; i < 40; ++i)
    requests.push_back(
        {.arrives = 1, .prompt = {{2, 48}, {100 + 2 * i, 4}}, .output_tokens = 1, .answer = 101 + 2 * i});
  const ServiceReport report = simulate(settings_of(GetParam()), requests);
  EXPECT_EQ(report.served, 41u);
  EXPECT_EQ(report.cached_tokens, 40u * 48);
  EXPECT_LE(report.steps, 8u) << "of eight seats, each for a step";
}
INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, ::testing::ValuesIn(policy_names()),
                         [](const auto& info) { return info.param; });

// One caller asks for long answers all the time, the other for short ones.
std::deque<TraceRequest> two_callers() {
  std::deque<TraceRequest> requests;
  for (std::uint64_t i = 0; i < 600; ++i) {
    requests.push_back(request_of(2 * i, double(i) * tick, 20, 60, 1));
    if (i % 3 == 0) requests.push_back(request_of(2 * i + 1, double(i) * tick, 40, 20, 2));
  }
  return requests;
}

TEST(Vtc, ServesBackloggedCallersEquallyWithinItsBound) {
  auto settings = settings_of("vtc");
  settings.blocks = 128;
  settings.limits.max_num_seqs = 64;
  const double bound = 2 * std::max(40.0, 2.0 * settings.blocks * settings.limits.block_size);
  EXPECT_LE(simulate(settings, two_callers()).largest_service_difference, bound);
  settings.make_policy = [] { return make_policy("fcfs"); };
  EXPECT_GT(simulate(settings, two_callers()).largest_service_difference, 2 * bound);
}

// Lengths as in published traces, in a pool that holds a few of them; rate: times what fcfs serves if all come at once.
ServiceReport overloaded(const std::string& policy, const std::vector<std::string>& options, double rate) {
  constexpr std::uint64_t requests = 600;
  const LinearCost cost(tick, tick / 64, 0);
  const auto served = [&](const std::string& by, const std::vector<std::string>& with,
                          double requests_per_second) {
    auto settings = settings_of(by, with);
    settings.limits.max_model_len = 1024;
    settings.limits.max_num_seqs = 64;
    settings.limits.max_waiting = requests;
    settings.blocks = 512;
    TraceWindow trace(
        [&] {
          return std::make_unique<Generator>(GeneratorSettings{.rate = requests_per_second,
                                                               .prompt_tokens = 100,
                                                               .output_tokens = 100,
                                                               .prompt_lengths = Lengths::lognormal,
                                                               .output_lengths = Lengths::lognormal,
                                                               .longest = 500});
        },
        requests, 1);
    return Simulation(settings, trace, cost).run();
  };
  const ServiceReport at_once = served("fcfs", {}, 1e6);
  return served(policy, options, rate * double(at_once.served) / at_once.seconds);
}

TEST(Mlfq, IsNotMuchSlowerThanFcfsUnderOverload) {
  constexpr double least_of_fcfs = 0.95;
  const ServiceReport fcfs = overloaded("fcfs", {}, 1.2), mlfq = overloaded("mlfq", {"quantum=64"}, 1.2);
  EXPECT_EQ(mlfq.served, fcfs.served);
  EXPECT_GE(fcfs.seconds / mlfq.seconds, least_of_fcfs);
  EXPECT_LT(mlfq.ttft.at(0.5), fcfs.ttft.at(0.5)) << "short ones skip the queues of long ones";
}

// A stream of newcomers that takes more than there is.
TEST(Starvation, NobodyWaitsForEverUnderFairPolicies) {
  const auto longest_wait = [](const std::string& policy, const std::vector<std::string>& options) {
    std::deque<TraceRequest> requests;
    for (std::uint64_t i = 0; i < 4000; ++i) {
      requests.push_back(request_of(i, double(i) * tick / 2, 20, 6, i % 3));
      if (i == 100) requests.push_back(request_of(5000, double(i) * tick / 2, 200, 50, 9));
    }
    auto settings = settings_of(policy, options);
    settings.limits.max_waiting = 5000;
    settings.limits.max_num_seqs = 4;
    ListTrace trace(requests);
    const LinearCost cost(tick, 0, 0);
    Simulation simulation(settings, trace, cost);
    double ended = 0;
    simulation.on_request = [&](const ServedRequest& each) {
      if (each.caller == 9) ended = each.ended;
    };
    const double last = simulation.run().seconds;
    return ended / last;
  };
  for (const char* policy : {"fcfs", "decode_first", "vtc", "edf"})
    EXPECT_LT(longest_wait(policy, {}), 0.2) << policy;
  EXPECT_LT(longest_wait("mlfq", {"starve_ms=2000", "quantum=32"}), 0.5);
  EXPECT_GT(longest_wait("sjf", {}), 0.5) << "that is what shortest job first does";
}

}  // namespace
}  // namespace troupe::runtime::lab
