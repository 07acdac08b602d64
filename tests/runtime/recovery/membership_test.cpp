// The membership before nodes and workers whose every word the test chooses: links that break between any two events,
// ranks that cannot meet, hangs that only ticks tell of. Time is the test's.
#include "runtime/recovery/membership.hpp"

#include <gtest/gtest.h>

#include <map>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;

struct Script {  // of a worker
  bool cannot_join = false, has_no_room = false, is_silent = false;
  std::string arithmetic = "f32";
  int loads = 0;
  std::vector<Join> joins;
};

class MembershipTest : public ::testing::Test {
 protected:
  static constexpr std::int32_t ranks = 2;    // one a node
  static constexpr std::int32_t a_third = 2;  // node
  using State = ReplicaState;

  void SetUp() override { membership_of(settings()); }

  // One that has just begun, or serves.
  void membership_of(const MembershipSettings& settings, bool serves = true) {
    membership.emplace(settings);
    place_of.clear();
    obey(membership->begin(now));
    if (!serves) return;
    for (std::int32_t rank = 0; rank < ranks; ++rank) node_arrives(rank, {}, rank == 0 ? 0 : -1);
    for (std::int32_t rank = 0; rank < ranks; ++rank) worker_arrives(rank);
    ASSERT_EQ(membership->state(), State::serving);
  }

  static MembershipSettings settings() {
    return {.tensor_parallel = ranks,
            .nodes = ranks,
            .build = "one",
            .spread_experts = {{0}, {0}, {1}, {1}},
            .restarts = {}};
  }

  // Carries orders out at once, as parts that are in good order and not asked to be otherwise.
  void obey(const Orders& orders) {
    for (const Order& each : orders) std::visit([this](const auto& order) { carry_out(order); }, each);
  }
  void carry_out(const StartWorker& order) { starts[std::size_t(order.life.rank)].push_back(order); }
  void carry_out(const KillWorker& order) { kills[std::size_t(order.life.rank)].push_back(order); }
  void carry_out(const Load& order) {
    Script& script = scripts[std::size_t(order.life.rank)];
    ++script.loads;
    if (answers_loads) obey(membership->on(ModelLoaded{order.life, script.arithmetic}, now));
  }
  void carry_out(const Join& order) {
    for (std::int32_t rank = 0; rank < ranks; ++rank) scripts[std::size_t(rank)].joins.push_back(order);
    for (std::int32_t rank = 0; rank < ranks; ++rank) {
      const Script& script = scripts[std::size_t(rank)];
      using Why = JoinFailed::Why;
      if (script.is_silent) continue;
      if (script.has_no_room)
        obey(membership->on(JoinFailed{life(rank), order.epoch, Why::no_experts, "no memory"}, now));
      else if (script.cannot_join)
        obey(membership->on(JoinFailed{life(rank), order.epoch, Why::not_met, "rank 1 is missing"}, now));
      else
        obey(membership->on(Joined{life(rank), order.epoch}, now));
    }
  }
  void carry_out(const StopEpoch& order) {
    how = order.how;
    obey(membership->on(EpochStopped{order.next, steps_committed, search_advanced}, now));
  }
  void carry_out(const VoidBlocks& order) { voided.push_back(order); }
  void carry_out(const MakeScheduler&) { ++schedulers; }
  void carry_out(const MakeBlocks&) { ++block_managers; }
  void carry_out(const GiveUp& order) { gave_up = order.why; }
  void carry_out(const TellFault& told) { faults.push_back(told.fault); }
  void carry_out(const TellRestart&) { ++restarts; }
  void carry_out(const TellStale&) { ++stale; }
  void carry_out(const Dismiss& order) { dismissed.push_back(order.rank); }
  void carry_out(const AbortEpochs&) {}
  void carry_out(const Serve&) {}
  void carry_out(const TellRecovery&) {}

  // Lets time go by from deadline to deadline.
  void pass(Duration time) {
    const TimePoint end = now + time;
    for (auto next = membership->next_deadline(); next && *next <= end; next = membership->next_deadline()) {
      now = *next;
      obey(membership->due(now));
    }
    now = end;
  }
  Epoch epoch() const { return membership->epoch(); }
  RankState state_of(std::int32_t rank) const { return membership->view().ranks[std::size_t(rank)].state; }
  std::uint64_t life_of(std::int32_t rank) const { return starts[std::size_t(rank)].back().life.incarnation; }
  WorkerLife life(std::int32_t rank) const { return {rank, life_of(rank)}; }

  NodeWelcome node_arrives(std::int32_t from, std::vector<WorkerLife> living, std::int32_t asks_for) {
    NodeWelcome welcome;
    obey(membership->on(NodeArrived{asks_for, std::move(living), build_of_nodes}, place_of[from], welcome,
                        now));
    if (welcome.node >= 0) place_of[from] = welcome.node;
    return welcome;
  }
  bool worker_arrives(std::int32_t rank) {
    bool accepted = false;
    obey(membership->on(WorkerArrived{life(rank), 100 + rank}, accepted, now));
    return accepted;
  }
  void cut_worker(std::int32_t rank) { obey(membership->link_lost(rank, now)); }
  void cut_node(std::int32_t node) {
    place_of[node].reset();
    obey(membership->node_lost(node, now));
  }
  WorkerSeen seen(std::int32_t rank) const { return {life(rank), 100 + rank, {}, {}, {}}; }
  void worker_exits(std::int32_t rank) {
    obey(membership->on(WorkerExited{seen(rank), "signal 9 (Killed)"}, now));
  }
  static Tick waiting(Epoch epoch, std::uint32_t collectives) {
    Tick tick;
    tick.epoch = epoch;
    tick.step = 7;
    tick.layer = 3;
    tick.collectives = collectives;
    tick.activity = Activity::collective;
    return tick;
  }
  void tell_tick(std::int32_t rank, Duration silence, Duration waited, const Tick& tick) {
    obey(membership->on(NodeTicks{{{life(rank), 100 + rank, silence, waited, tick}}}, now));
  }
  void tell_ticks(int waited_ms, std::uint32_t of_rank_0, std::uint32_t of_rank_1) {
    const milliseconds waited(waited_ms);
    const Epoch at = epoch();
    tell_tick(0, waited, waited, waiting(at, of_rank_0));
    if (epoch() == at) tell_tick(1, waited, waited, waiting(at, of_rank_1));
  }

  TimePoint now = TimePoint{} + std::chrono::hours(1);
  std::optional<Membership> membership;
  std::string build_of_nodes = "one";
  bool answers_loads = true;
  std::uint64_t steps_committed = 0;
  bool search_advanced = false;
  EpochEnd how;  // of the last epoch that ended
  std::array<std::vector<StartWorker>, ranks> starts;
  std::array<std::vector<KillWorker>, ranks> kills;
  std::array<Script, ranks> scripts;
  std::map<std::int32_t, std::optional<std::int32_t>> place_of;  // of each node that is connected
  std::vector<VoidBlocks> voided;
  std::vector<FaultView> faults;
  std::vector<std::int32_t> dismissed;
  std::string gave_up;
  int schedulers = 0, block_managers = 0, stale = 0;
  std::uint64_t restarts = 0;
};

TEST_F(MembershipTest, RanksThatCannotMeetTryAgainAfterEverLongerPauses) {
  const Epoch before = epoch();
  scripts[1].cannot_join = true;
  cut_worker(0);
  worker_arrives(0);
  pass(milliseconds(25));  // then its absence is known
  const Epoch first = epoch();
  EXPECT_EQ(first, before + 2) << "one for the cut, one for the failure";
  pass(milliseconds(49));
  EXPECT_EQ(epoch(), first);
  pass(milliseconds(1));
  EXPECT_EQ(epoch(), first + 1);
  pass(milliseconds(99));
  EXPECT_EQ(epoch(), first + 1);
  scripts[1].cannot_join = false;
  pass(milliseconds(1));
  EXPECT_EQ(epoch(), first + 1);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, APlacementThatCannotBeHadIsTakenBack) {
  using Holders = std::vector<std::vector<std::int32_t>>;
  obey(membership->on(PlaceExpert{3, {0, 1}}, now));
  const Holders held{{0}, {0}, {1}, {0, 1}};
  EXPECT_EQ(scripts[1].joins.back().experts, held);
  EXPECT_EQ(membership->state(), State::serving);

  const Holders wanted{{0}, {0}, {1}, {1}};
  scripts[1].cannot_join = true;  // for another reason
  obey(membership->on(PlaceExpert{3, {1}}, now));
  for (int pause = 50; pause <= 400; pause *= 2) {
    EXPECT_EQ(scripts[1].joins.back().experts, wanted);
    pass(milliseconds(pause));
  }
  scripts[1].cannot_join = false;
  scripts[1].has_no_room = true;
  pass(milliseconds(800));
  EXPECT_EQ(scripts[1].joins.back().experts, wanted);
  scripts[1].has_no_room = false;
  pass(milliseconds(1600));
  EXPECT_EQ(scripts[1].joins.back().experts, held);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, ARankThatDoesNotSayWhetherItMetTheOthersIsKilled) {
  scripts[1].is_silent = true;
  cut_worker(0);
  worker_arrives(0);
  pass(milliseconds(25));
  EXPECT_EQ(membership->state(), State::recovering);
  Tick searching;
  searching.activity = Activity::joining;
  const auto tell_silence = [&](int silent_ms) { tell_tick(1, milliseconds(silent_ms), {}, searching); };
  pass(milliseconds(9'999));
  tell_silence(9'999);
  EXPECT_TRUE(kills[1].empty());
  pass(milliseconds(1));
  tell_silence(40);
  EXPECT_TRUE(kills[1].empty()) << "it has just begun";
  tell_silence(10'000);
  EXPECT_EQ(kills[1].size(), 1u);
  EXPECT_TRUE(kills[0].empty());
  scripts[1].is_silent = false;
  worker_exits(1);
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, APauseEndsAlsoWhenAnotherEpochBeganMeanwhile) {
  scripts[1].cannot_join = true;
  cut_worker(0);
  worker_arrives(0);
  pass(milliseconds(25));
  scripts[1].cannot_join = false;
  worker_exits(0);  // within the pause
  EXPECT_EQ(life_of(0), 2u);
  worker_arrives(0);
  EXPECT_EQ(membership->state(), State::recovering);
  pass(milliseconds(50));
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, APauseEndsWithWhateverHappensNext) {
  scripts[1].cannot_join = true;
  cut_worker(0);
  worker_arrives(0);
  pass(milliseconds(25));
  scripts[1].cannot_join = false;
  now += milliseconds(60);  // nobody has asked what is due
  tell_ticks(0, 0, 0);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, AWorkerThatWasCutOffKeepsItsLifeAndItsWeights) {
  const Epoch before = epoch();
  cut_worker(1);
  pass(milliseconds(25));
  EXPECT_EQ(membership->state(), State::recovering);
  EXPECT_EQ(state_of(1), RankState::cut_off);
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
  EXPECT_EQ(epoch(), before + 1);
  EXPECT_EQ(scripts[1].loads, 2) << "it is asked, and has them";
  EXPECT_EQ(restarts, 0u);
  worker_arrives(1);  // again, before its cut was noticed
  pass(milliseconds(25));
  EXPECT_EQ(membership->state(), State::serving);
  EXPECT_EQ(epoch(), before + 2);
  EXPECT_EQ(restarts, 0u);
}

TEST_F(MembershipTest, ACutWhileItLoadsAsksAgain) {
  worker_exits(0);
  EXPECT_EQ(scripts[0].loads, 1);
  worker_arrives(0);
  EXPECT_EQ(scripts[0].loads, 2);
  EXPECT_EQ(membership->state(), State::serving);
  worker_exits(1);
  answers_loads = false;
  worker_arrives(1);
  cut_worker(1);  // with the answer
  answers_loads = true;
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, ANodeThatComesBackKeepsWhatLivesOnIt) {
  cut_node(1);
  EXPECT_EQ(membership->state(), State::serving) << "its worker has a link of its own";
  cut_worker(1);
  pass(std::chrono::seconds(1));
  EXPECT_EQ(membership->state(), State::recovering);
  EXPECT_EQ(node_arrives(1, {life(1)}, 1).node, 1);
  EXPECT_EQ(membership->state(), State::recovering) << "its worker comes by itself";
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
  EXPECT_EQ(starts[1].size(), 1u);
  EXPECT_TRUE(kills[1].empty());
}

TEST_F(MembershipTest, ANodeThatComesBackEmptyStartsItsWorkersAgain) {
  cut_node(1);
  EXPECT_EQ(node_arrives(1, {}, -1).node, 1);
  EXPECT_EQ(life_of(1), 2u);
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
  EXPECT_EQ(restarts, 1u);
}

TEST_F(MembershipTest, AnOrderFromBeforeACutNeedsNoAnswer) {
  scripts[1].is_silent = true;
  cut_worker(0);
  worker_arrives(0);
  pass(milliseconds(25));
  cut_worker(1);
  scripts[1].is_silent = false;
  pass(milliseconds(20'000));
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
  tell_tick(1, milliseconds(30'000), {}, {});
  EXPECT_TRUE(kills[1].empty());
}

TEST_F(MembershipTest, TheFirstPlaceIsForTheHeadsOwnNode) {
  cut_node(0);
  EXPECT_LT(node_arrives(a_third, {}, -1).node, 0);
  EXPECT_EQ(node_arrives(0, {life(0)}, 0).node, 0);
}

TEST_F(MembershipTest, ANodeForWhichThereIsNoPlaceIsRefused) {
  const NodeWelcome answer = node_arrives(a_third, {}, -1);
  EXPECT_LT(answer.node, 0);
  EXPECT_NE(answer.refusal, "");
  EXPECT_LT(node_arrives(a_third, {}, 7).node, 0);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, AHungWorkerIsKilledAlsoWhenTheOrderWasLostWithItsNode) {
  const std::uint64_t hung = life_of(1);
  obey(membership->on(WorkerHangs{seen(1), Hang::stopped}, now));
  ASSERT_EQ(kills[1].size(), 1u);
  EXPECT_EQ(kills[1][0].life.incarnation, hung);
  cut_node(1);
  EXPECT_EQ(node_arrives(1, {{1, hung}}, 1).node, 1);
  EXPECT_EQ(kills[1].size(), 2u);
  worker_exits(1);
  EXPECT_EQ(life_of(1), hung + 1);
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::serving);
}

TEST_F(MembershipTest, OfRanksThatAllWaitTheOneBehindIsKilledTheSecondTime) {
  const Epoch before = epoch();
  tell_ticks(399, 5, 4);
  EXPECT_EQ(epoch(), before);
  tell_ticks(400, 5, 4);
  EXPECT_EQ(epoch(), before + 1);
  EXPECT_EQ(membership->state(), State::serving) << "they met anew";
  EXPECT_EQ(membership->view().last_fault->rank, 1);
  EXPECT_EQ(faults.back().last.step, 7u);
  EXPECT_EQ(faults.back().last.layer, 3);
  EXPECT_TRUE(kills[1].empty());
  tell_ticks(799, 5, 4);
  EXPECT_TRUE(kills[1].empty());
  tell_ticks(800, 5, 4);
  EXPECT_EQ(epoch(), before + 2);
  EXPECT_EQ(kills[1].size(), 1u);
  EXPECT_TRUE(kills[0].empty());
}

TEST_F(MembershipTest, OfRanksThatAllWaitNobodyIsKilledForAnothersStall) {
  const Epoch before = epoch();
  tell_ticks(400, 4, 5);
  EXPECT_EQ(membership->view().last_fault->rank, 0);
  tell_ticks(800, 5, 4);
  EXPECT_EQ(epoch(), before + 2);
  EXPECT_EQ(membership->view().last_fault->rank, 1);
  EXPECT_TRUE(kills[0].empty() && kills[1].empty());
}

TEST_F(MembershipTest, AStallAfterACalmTimeIsTheFirstAgain) {
  const Epoch before = epoch();
  tell_ticks(400, 5, 4);
  EXPECT_EQ(epoch(), before + 1);
  pass(milliseconds(10'001));
  tell_ticks(400, 5, 4);
  EXPECT_EQ(epoch(), before + 2);
  EXPECT_TRUE(kills[1].empty());
  tell_ticks(800, 5, 4);
  EXPECT_EQ(kills[1].size(), 1u);
}

TEST_F(MembershipTest, AStallThatIsGoingOnIsNoCalmTime) {
  const Epoch before = epoch();
  Epoch stalled = before;
  for (int limit = 400; limit <= 12'800; limit *= 2) {
    tell_ticks(limit, 5, 5);
    EXPECT_EQ(epoch(), ++stalled) << limit;
    pass(milliseconds(2 * limit));
    tell_ticks(2 * limit - 1, 5, 5);
    EXPECT_EQ(epoch(), stalled) << limit;
  }
}

TEST_F(MembershipTest, WhatANodeSaidLongAgoIsNoEvidence) {
  const Epoch before = epoch();
  tell_tick(0, milliseconds(400), milliseconds(400), waiting(before, 4));
  pass(milliseconds(201));
  tell_tick(1, milliseconds(400), milliseconds(400), waiting(before, 5));
  EXPECT_EQ(epoch(), before);
}

TEST_F(MembershipTest, ANodeOfAnotherBuildIsRefused) {
  cut_node(1);
  build_of_nodes = "two";
  const NodeWelcome answer = node_arrives(1, {}, -1);
  EXPECT_LT(answer.node, 0);
  EXPECT_NE(answer.refusal.find("build two"), std::string::npos);
  build_of_nodes = "one";
  EXPECT_EQ(node_arrives(1, {}, -1).node, 1);
}

TEST_F(MembershipTest, ABlockedNetworkEndsTheEpochAndIsGivenTwiceAsLongNextTime) {
  const Epoch before = epoch();
  tell_ticks(400, 5, 5);
  EXPECT_EQ(epoch(), before + 1);
  EXPECT_EQ(membership->state(), State::serving) << "nobody died";
  EXPECT_EQ(membership->view().last_fault->kind, FaultKind::collective_blocked);
  tell_ticks(799, 5, 5);
  EXPECT_EQ(epoch(), before + 1);
  tell_ticks(800, 5, 5);
  EXPECT_EQ(epoch(), before + 2);
  EXPECT_EQ(restarts, 0u);
}

TEST_F(MembershipTest, AFailedCollectiveWaitsForWhoIsAtFault) {
  const Epoch before = epoch();
  obey(membership->on(StepFailed{life(0), before, StepFailed::Why::peer, "rank 1 left the epoch"}, now));
  pass(milliseconds(499));
  EXPECT_EQ(epoch(), before);
  pass(milliseconds(1));
  EXPECT_EQ(epoch(), before + 1);
  EXPECT_EQ(membership->state(), State::serving);
  EXPECT_EQ(membership->view().last_fault->kind, FaultKind::collective_failed);

  obey(membership->on(StepFailed{life(0), before + 1, StepFailed::Why::peer, "rank 1 left the epoch"}, now));
  cut_worker(1);  // and there it is
  pass(milliseconds(25));
  EXPECT_EQ(epoch(), before + 2);
  EXPECT_EQ(membership->view().last_fault->kind, FaultKind::cut_off);
  EXPECT_EQ(membership->view().last_fault->rank, 1);
}

// A rank that was not told of a step, or of a sequence: in a new epoch it is told everything. Nobody is restarted.
TEST_F(MembershipTest, ARefusedPlanMakesANewEpochAndWaitsLongerEachTimeInARow) {
  const auto refuse = [&] {
    obey(membership->on(StepFailed{life(1), epoch(), StepFailed::Why::plan, "an unknown step"}, now));
    EXPECT_EQ(membership->view().last_fault->kind, FaultKind::plan_refused);
    EXPECT_EQ(membership->view().last_fault->rank, 1);
  };
  const auto time_to_serve = [&] {
    Duration waited{};
    for (; membership->state() != State::serving; waited += milliseconds(1)) pass(milliseconds(1));
    return waited;
  };
  const Epoch before = epoch();
  refuse();
  EXPECT_EQ(epoch(), before + 1);
  const Duration first = time_to_serve();
  refuse();
  const Duration second = time_to_serve();
  EXPECT_EQ(second, 2 * first);
  EXPECT_EQ(life_of(1), 1u) << "nobody was restarted";
}

TEST_F(MembershipTest, AMixtureOfArithmeticsIsRefused) {
  scripts[1].arithmetic = "bf16";
  worker_exits(1);
  worker_arrives(1);
  EXPECT_EQ(membership->state(), State::failed);
}

TEST_F(MembershipTest, AReplicaThatHasFailedStartsNobodyAfterAPause) {
  worker_exits(0);
  worker_exits(0);  // the second time there is a pause
  scripts[1].arithmetic = "bf16";
  cut_worker(1);
  worker_arrives(1);
  ASSERT_EQ(membership->state(), State::failed);
  const std::size_t started = starts[0].size();
  now += std::chrono::seconds(1);
  worker_exits(1);
  obey(membership->due(now));
  EXPECT_EQ(starts[0].size(), started);
  EXPECT_FALSE(membership->next_deadline());
}

TEST_F(MembershipTest, ADeviceThatFailedIsNamedAndItsWorkerBroughtBack) {
  WorkerSeen last = seen(1);
  last.tick = waiting(epoch(), 2);
  last.tick.device = {DeviceFaultKind::ecc, "linear, add"};
  obey(membership->on(WorkerExited{last, "exit code 1"}, now));
  pass(milliseconds(1));
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_EQ(faults[0].kind, FaultKind::device_error);
  EXPECT_EQ(faults[0].last.device.kernels, "linear, add");
  EXPECT_EQ(faults[0].last.layer, 3);
  worker_arrives(1);
  EXPECT_EQ(membership->state(), ReplicaState::serving);
  const auto ranks = membership->view().ranks;
  EXPECT_FALSE(ranks[0].last_fault);
  ASSERT_TRUE(ranks[1].last_fault);
  EXPECT_EQ(ranks[1].last_fault->last.device.kind, DeviceFaultKind::ecc);
  EXPECT_TRUE(ranks[1].last_fault->recovered);
  worker_exits(0);
  EXPECT_EQ(membership->view().ranks[1].last_fault->kind, FaultKind::device_error)
      << "the last one of that rank";
}

TEST_F(MembershipTest, AHangIsTheDevicesWhileThatIsAtSomething) {
  WorkerSeen last = seen(1);
  last.tick = waiting(epoch(), 2);
  last.tick.device.kernels = "linear, add";
  const auto told = [&](Hang hang) {
    obey(membership->on(WorkerHangs{last, hang}, now));
    worker_exits(1);
    pass(std::chrono::seconds(1));
    worker_arrives(1);
    last.life = life(1);
    return faults.back().last.device;
  };
  EXPECT_EQ(told(Hang::busy).kind, DeviceFaultKind::hang);
  EXPECT_EQ(told(Hang::busy).kernels, "linear, add");
  EXPECT_EQ(told(Hang::stopped).kind, DeviceFaultKind::none) << "somebody stopped the process";
  last.tick.device.kernels.clear();
  EXPECT_EQ(told(Hang::busy).kind, DeviceFaultKind::none);
}

TEST_F(MembershipTest, NodesWatchTheGpusOfRanksThatComputeThere) {
  EXPECT_FALSE(starts[0].back().on_gpu);
  MembershipSettings on_gpus = settings();
  on_gpus.on_gpus = true;
  membership_of(on_gpus);
  EXPECT_TRUE(starts[0].back().on_gpu);
}

TEST_F(MembershipTest, RestartsWaitLongerFromDeathToDeath) {
  worker_exits(1);
  EXPECT_EQ(life_of(1), 2u) << "the first at once";
  for (int pause = 50; pause <= 400; pause *= 2) {
    const std::uint64_t life = life_of(1);
    worker_exits(1);
    pass(milliseconds(pause - 1));
    EXPECT_EQ(life_of(1), life);
    pass(milliseconds(1));
    EXPECT_EQ(life_of(1), life + 1);
  }
  worker_exits(1);
  EXPECT_EQ(membership->state(), State::failed) << "the sixth in a row";
}

// A sequence that kills may do so in the first step of every epoch.
TEST_F(MembershipTest, DeathsAreNotInARowWhileTheSearchForTheirCauseGoesOn) {
  search_advanced = true;
  const int limit = RestartPolicy::Limits{}.max_consecutive_restarts;
  for (int deaths = 0; deaths <= 3 * limit; ++deaths) {
    worker_exits(1);
    pass(milliseconds(1));
    worker_arrives(1);
    ASSERT_EQ(membership->state(), State::serving);
  }
}

TEST_F(MembershipTest, SaysInWhichStepAWorkerDiedAndWhetherItWasKilled) {
  using Cause = EpochEnd::Cause;
  const auto comes_back = [&] {
    pass(milliseconds(1));
    worker_arrives(1);
    ASSERT_EQ(membership->state(), State::serving);
  };
  steps_committed = 1;
  for (const auto& [text, cause] : {std::pair{"exit code 1", Cause::died},
                                    {"signal 11 (Segmentation fault)", Cause::died},
                                    {"signal 9 (Killed)", Cause::killed},
                                    {"signal 15 (Terminated)", Cause::killed}}) {
    WorkerSeen last = seen(1);
    last.tick = waiting(epoch(), 2);
    obey(membership->on(WorkerExited{last, text}, now));
    EXPECT_EQ(how.cause, cause) << text;
    EXPECT_EQ(how.epoch, last.tick.epoch);
    EXPECT_EQ(how.step, 7u);
    comes_back();
  }
  for (const auto& [hang, cause] : {std::pair{Hang::stopped, Cause::killed}, {Hang::busy, Cause::died}}) {
    obey(membership->on(WorkerHangs{seen(1), hang}, now));
    EXPECT_EQ(how.cause, cause);
    obey(membership->on(WorkerExited{seen(1), "signal 9 (Killed)"}, now));
    comes_back();
  }
}

TEST_F(MembershipTest, NobodyDiedWhereLinksBreakOrOrdersEndAnEpoch) {
  cut_worker(1);
  pass(milliseconds(30));
  EXPECT_EQ(how.cause, EpochEnd::Cause::unexplained) << "or somebody did, and it is told next";
  worker_arrives(1);
  obey(membership->on(PlaceExpert{0, {1}}, now));
  EXPECT_EQ(how.cause, EpochEnd::Cause::orderly);
  obey(membership->scheduler_died(now));
  EXPECT_EQ(how.cause, EpochEnd::Cause::orderly);
  cut_node(1);
  EXPECT_EQ(how.cause, EpochEnd::Cause::orderly);
}

TEST_F(MembershipTest, ARankThatLivedForAMinuteDiesForTheFirstTime) {
  for (int deaths = 0; deaths < 20; ++deaths) {
    worker_exits(1);
    worker_arrives(1);
    ASSERT_EQ(membership->state(), State::serving);
    pass(milliseconds(60'001));
  }
}

TEST_F(MembershipTest, ADeadRankVoidsTheCacheOfItsGroupAlone) {
  MembershipSettings two_groups = settings();
  two_groups.tensor_parallel = 1;
  two_groups.data_parallel = 2;
  membership_of(two_groups);
  voided.clear();
  worker_exits(1);
  ASSERT_EQ(voided.size(), 1u);
  EXPECT_EQ(voided[0].group, 1u);
  EXPECT_EQ(voided[0].generation, epoch());
}

TEST_F(MembershipTest, ADeadLinkIsLetGoOf) {
  worker_exits(1);
  EXPECT_EQ(dismissed, std::vector<std::int32_t>{1});
  worker_exits(1);  // it has a process, and no link yet
  EXPECT_EQ(dismissed, std::vector<std::int32_t>{1});
}

TEST_F(MembershipTest, PartsThatDieAreMadeAnewUntilTheyDieAgainAndAgain) {
  for (int deaths = 1; deaths <= RestartPolicy::Limits{}.max_consecutive_restarts; ++deaths) {
    obey(membership->scheduler_died(now));
    EXPECT_EQ(schedulers, 1 + deaths);
    EXPECT_EQ(membership->state(), State::serving);
  }
  pass(milliseconds(501));  // one that lived so long dies for the first time
  obey(membership->scheduler_died(now));
  EXPECT_EQ(membership->state(), State::serving);
  obey(membership->blocks_died(0, now));
  EXPECT_EQ(block_managers, 2);
  for (int deaths = 2; deaths <= 6; ++deaths) obey(membership->blocks_died(0, now));
  EXPECT_EQ(membership->state(), State::failed);
  EXPECT_EQ(gave_up, "kv_block_manager died again and again");
}

TEST_F(MembershipTest, ALoadThatFailsAtFirstIsTheEndAndLaterADeath) {
  membership_of(settings(), false);
  for (std::int32_t rank = 0; rank < ranks; ++rank) node_arrives(rank, {}, rank);
  answers_loads = false;
  worker_arrives(0);
  obey(membership->on(LoadFailed{life(0), "no such folder"}, now));
  EXPECT_EQ(membership->state(), State::failed);
  EXPECT_EQ(gave_up, "the model cannot be loaded: no such folder");

  answers_loads = true;
  membership_of(settings());
  worker_exits(1);
  answers_loads = false;
  worker_arrives(1);
  obey(membership->on(LoadFailed{life(1), "the disk is gone"}, now));
  EXPECT_EQ(membership->state(), State::recovering);
  EXPECT_EQ(faults.back().kind, FaultKind::load_failed);
  EXPECT_EQ(kills[1].back().life, life(1));
}

// By NCCL and nothing else, which one of them does not have.
TEST_F(MembershipTest, RanksThatHaveNoWayBetweenThemAreTheEndAtFirst) {
  membership_of(settings(), false);
  scripts[0].is_silent = scripts[1].is_silent = true;
  for (std::int32_t rank = 0; rank < ranks; ++rank) node_arrives(rank, {}, rank == 0 ? 0 : -1);
  for (std::int32_t rank = 0; rank < ranks; ++rank) worker_arrives(rank);
  obey(membership->on(JoinFailed{life(1), epoch(), JoinFailed::Why::cannot_meet, "rank 1 has no NCCL"}, now));
  EXPECT_EQ(membership->state(), State::failed);
  EXPECT_EQ(gave_up, "the ranks cannot meet: rank 1 has no NCCL");
}

// Late, twice, or of lives and epochs that are over.
TEST_F(MembershipTest, WhatIsOverChangesNothing) {
  const Epoch before = epoch();
  const WorkerLife over{1, life_of(1) - 1}, stranger{7, 1};
  for (const WorkerLife& life : {over, stranger}) {
    const WorkerSeen seen{life, 1, {}, {}, {}};
    const int counted = stale;
    bool accepted = true;
    obey(membership->on(WorkerArrived{life, 1}, accepted, now));
    EXPECT_FALSE(accepted);
    obey(membership->on(WorkerExited{seen, "signal 9"}, now));
    obey(membership->on(WorkerHangs{seen, Hang::stopped}, now));
    obey(membership->on(NodeTicks{{seen}}, now));
    obey(membership->on(ModelLoaded{life, "bf16"}, now));
    obey(membership->on(LoadFailed{life, "no"}, now));
    obey(membership->on(Joined{life, before}, now));
    obey(membership->on(JoinFailed{life, before, {}, "no"}, now));
    EXPECT_EQ(stale, counted + 8);
  }
  obey(membership->on(StepFailed{life(0), before - 1, StepFailed::Why::peer, "no"}, now));
  obey(membership->on(EpochStopped{before, 0}, now));
  obey(membership->on(EpochStopped{before - 1, 0}, now));
  obey(membership->on(ModelLoaded{life(0), "bf16"}, now));
  obey(membership->on(Joined{life(0), before}, now));
  obey(membership->due(now));
  EXPECT_EQ(epoch(), before);
  EXPECT_EQ(membership->state(), State::serving);
}

// Each state is reached, and left, by the table alone.
TEST(RankStates, EveryOneCanBeReachedAndLeft) {
  for (std::size_t state = 0; state < rank_states; ++state) {
    bool reached = false, left = false;
    for (std::size_t other = 0; other < rank_states; ++other) {
      reached |= may_follow(RankState(other), RankState(state));
      left |= may_follow(RankState(state), RankState(other));
    }
    EXPECT_TRUE(reached && left) << to_string(RankState(state));
    EXPECT_FALSE(may_follow(RankState(state), RankState(state))) << to_string(RankState(state));
  }
}

}  // namespace
}  // namespace troupe::runtime
