// The supervisor before nodes and workers whose every word the test chooses: links that break between any two
// messages, ranks that cannot meet, hangs that only ticks tell of. Time is the test's.
#include <gtest/gtest.h>

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/replica_supervisor.hpp"
#include "actors/system_config.hpp"

namespace troupe::actors {
namespace {

struct TestConfig : LocalConfig {
  TestConfig() { set("scheduler.policy", caf::atom("testing")); }
};

struct Orders {
  std::vector<StartWorker> starts;
  std::vector<KillWorker> kills;
};
NodeHandle::behavior_type scripted_node(NodeHandle::pointer self, Orders* orders) {
  return {[orders](const StartWorker& order) { orders->starts.push_back(order); },
          [orders](const KillWorker& order) { orders->kills.push_back(order); },
          [self](caf::ok_atom) { self->quit(); }};
}

struct Script {
  bool cannot_join = false, has_no_room = false, is_silent = false;
  std::vector<caf::typed_response_promise<Joined>> unanswered;
  std::string arithmetic = "f32";
  int loads = 0;
  std::vector<JoinEpoch> joins;
  std::vector<RankAddress> addresses;
};
WorkerHandle::behavior_type scripted_worker(WorkerHandle::pointer self, Script* script) {
  return {[script](const LoadModel&) {
            ++script->loads;
            return ModelLoaded{script->arithmetic};
          },
          [self, script](const JoinEpoch& order) -> caf::result<Joined> {
            script->joins.push_back(order);
            if (script->is_silent)
              return script->unanswered.emplace_back(self->make_response_promise<Joined>());
            if (script->has_no_room) return caf::make_error(no_experts, "no memory");
            if (script->cannot_join) return caf::make_error(caf::sec::runtime_error, "rank 1 is missing");
            return Joined{order.epoch};
          },
          [script](const RankAddress& address) { script->addresses.push_back(address); },
          [](const AbortEpochs&) {},
          [](const runtime::StepPlan&) {},
          [](const Drill&) {}};
}

class RanksTest : public ::testing::Test {
 protected:
  static constexpr std::int32_t ranks = 2;  // one a node
  using State = ReplicaStatus::State;

  void SetUp() override {
    ReplicaSettings settings;
    settings.model.tensor_parallel = ranks;
    settings.nodes = ranks;
    settings.experts = 4;
    settings.scheduler = {{}, "decode_first", 1, 0, metrics};
    settings.blocks = {512, 16, true, 0, 0, metrics};
    settings.build = "one";
    settings.own_threads = false;
    settings.status = status;
    settings.metrics = metrics;
    supervisor = system.spawn(replica_supervisor, settings);
    for (std::int32_t rank = 0; rank < ranks; ++rank) node_arrives(rank, {}, rank == 0 ? 0 : -1);
    for (std::int32_t rank = 0; rank < ranks; ++rank) worker_arrives(rank);
    ASSERT_EQ(status->state, State::serving);
  }
  void TearDown() override {
    self->send(supervisor, caf::ok_atom::value);
    for (auto& each : workers_) self->send_exit(each, caf::exit_reason::user_shutdown);
    for (auto& each : nodes_) self->send_exit(each, caf::exit_reason::user_shutdown);
    run();
    while (coordinator.try_run_once() || coordinator.trigger_timeout()) {
    }
  }

  void run() { coordinator.run(); }
  void pass(std::chrono::milliseconds time) {
    coordinator.advance_time(time);
    run();
  }
  std::string state_of(std::int32_t rank) { return status->view().ranks[std::size_t(rank)].state; }
  std::uint64_t life_of(std::int32_t rank) { return orders[std::size_t(rank)].starts.back().incarnation; }

  NodeWelcome node_arrives(std::int32_t place, std::vector<LivingWorker> living, std::int32_t asks_for) {
    NodeWelcome answer;
    const auto node = system.spawn(scripted_node, &orders[std::size_t(place)]);
    nodes_.push_back(node);
    if (node_.size() <= std::size_t(place)) node_.resize(std::size_t(place) + 1);
    node_[std::size_t(place)] = node;
    auto asked = self->request(supervisor, caf::infinite,
                               NodeArrived{asks_for, std::move(living), build_of_nodes}, node);
    run();
    asked.receive([&](const NodeWelcome& welcome) { answer = welcome; }, [](caf::error&) { ADD_FAILURE(); });
    return answer;
  }
  void worker_arrives(std::int32_t rank) {
    const auto worker = system.spawn(scripted_worker, &scripts[std::size_t(rank)]);
    workers_.push_back(worker);
    worker_[rank] = worker;
    self->send(supervisor, WorkerArrived{rank, life_of(rank), 100 + rank}, worker);
    run();
  }
  // What the supervisor sees of a link that breaks.
  template <class Handle>
  void cut(const Handle& handle) {
    self->send_exit(handle, caf::exit_reason::remote_link_unreachable);
    run();
  }
  void worker_exits(std::int32_t rank) {
    self->send(supervisor, WorkerExited{rank, life_of(rank), "signal 9 (Killed)", 0, {}});
    run();
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
  void tell_ticks(double waited_ms, std::uint32_t of_rank_0, std::uint32_t of_rank_1) {
    for (const auto& [rank, collectives] : {std::pair(0, of_rank_0), {1, of_rank_1}})
      self->send(
          supervisor,
          NodeTicks{{{rank, life_of(rank), waited_ms, waited_ms, waiting(status->epoch, collectives)}}});
    run();
  }

  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>("demo");
  std::shared_ptr<ReplicaStatus> status = std::make_shared<ReplicaStatus>();
  std::string build_of_nodes = "one";
  std::array<Orders, ranks> orders;
  std::array<Script, ranks> scripts;
  TestConfig config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& coordinator =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  caf::scoped_actor self{system, true};
  ReplicaSupervisorHandle supervisor;
  std::vector<NodeHandle> node_;                 // the last one in each place
  std::map<std::int32_t, WorkerHandle> worker_;  // the last one of each rank

 private:
  std::vector<NodeHandle> nodes_;
  std::vector<WorkerHandle> workers_;
};

TEST_F(RanksTest, AddressesGoToEveryRank) {
  self->send(supervisor, RankAddress{status->epoch, "key", "127.0.0.1 9"});
  run();
  for (const Script& script : scripts) {
    ASSERT_EQ(script.addresses.size(), 1u);
    EXPECT_EQ(script.addresses[0].address, "127.0.0.1 9");
  }
}

TEST_F(RanksTest, RanksThatCannotMeetTryAgainAfterEverLongerPauses) {
  const Epoch before = status->epoch;
  scripts[1].cannot_join = true;
  cut(worker_[0]);
  worker_arrives(0);
  pass(std::chrono::milliseconds(25));  // then its absence is known
  const Epoch first = status->epoch;
  EXPECT_EQ(first, before + 2) << "one for the cut, one for the failure";
  pass(std::chrono::milliseconds(49));
  EXPECT_EQ(status->epoch, first);
  pass(std::chrono::milliseconds(1));
  EXPECT_EQ(status->epoch, first + 1);
  pass(std::chrono::milliseconds(99));
  EXPECT_EQ(status->epoch, first + 1);
  scripts[1].cannot_join = false;
  pass(std::chrono::milliseconds(1));
  EXPECT_EQ(status->epoch, first + 1);
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, APlacementThatCannotBeHadIsTakenBack) {
  using Holders = std::vector<std::vector<std::int32_t>>;
  self->send(supervisor, PlaceExpert{3, {0, 1}});
  run();
  const Holders held{{0}, {0}, {1}, {0, 1}};
  EXPECT_EQ(scripts[1].joins.back().experts, held);
  EXPECT_EQ(status->state, State::serving);

  const Holders wanted{{0}, {0}, {1}, {1}};
  scripts[1].cannot_join = true;  // for another reason
  self->send(supervisor, PlaceExpert{3, {1}});
  run();
  for (int pause = 50; pause <= 400; pause *= 2) {
    EXPECT_EQ(scripts[1].joins.back().experts, wanted);
    pass(std::chrono::milliseconds(pause));
  }
  scripts[1].cannot_join = false;
  scripts[1].has_no_room = true;
  pass(std::chrono::milliseconds(800));
  EXPECT_EQ(scripts[1].joins.back().experts, wanted);
  scripts[1].has_no_room = false;
  pass(std::chrono::milliseconds(1600));
  EXPECT_EQ(scripts[1].joins.back().experts, held);
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, ARankThatDoesNotSayWhetherItMetTheOthersIsKilled) {
  scripts[1].is_silent = true;
  cut(worker_[0]);
  worker_arrives(0);
  pass(std::chrono::milliseconds(25));
  EXPECT_EQ(status->state, State::recovering);
  Tick searching;
  searching.activity = Activity::joining;
  const auto tell_silence = [&](double silent_ms) {
    self->send(supervisor, NodeTicks{{{1, life_of(1), silent_ms, 0, searching}}});
    run();
  };
  pass(std::chrono::milliseconds(9'999));
  tell_silence(9'999);
  EXPECT_TRUE(orders[1].kills.empty());
  pass(std::chrono::milliseconds(1));
  tell_silence(40);
  EXPECT_TRUE(orders[1].kills.empty()) << "it has just begun";
  tell_silence(10'000);
  EXPECT_EQ(orders[1].kills.size(), 1u);
  EXPECT_TRUE(orders[0].kills.empty());
  scripts[1].is_silent = false;
  worker_exits(1);
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, APauseEndsAlsoWhenAnotherEpochBeganMeanwhile) {
  scripts[1].cannot_join = true;
  cut(worker_[0]);
  worker_arrives(0);
  pass(std::chrono::milliseconds(25));
  scripts[1].cannot_join = false;
  worker_exits(0);  // within the pause
  EXPECT_EQ(life_of(0), 2u);
  worker_arrives(0);
  EXPECT_EQ(status->state, State::recovering);
  pass(std::chrono::milliseconds(50));
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, AWorkerThatWasCutOffKeepsItsLifeAndItsWeights) {
  const Epoch before = status->epoch;
  cut(worker_[1]);
  pass(std::chrono::milliseconds(25));
  EXPECT_EQ(status->state, State::recovering);
  EXPECT_EQ(state_of(1), "cut_off");
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
  EXPECT_EQ(status->epoch, before + 1);
  EXPECT_EQ(scripts[1].loads, 2) << "it is asked, and has them";
  EXPECT_EQ(status->restarts, 0u);
  worker_arrives(1);  // again, before its cut was noticed
  pass(std::chrono::milliseconds(25));
  EXPECT_EQ(status->state, State::serving);
  EXPECT_EQ(status->epoch, before + 2);
  EXPECT_EQ(status->restarts, 0u);
}

TEST_F(RanksTest, ACutWhileItLoadsAsksAgain) {
  worker_exits(0);
  EXPECT_EQ(scripts[0].loads, 1);
  worker_arrives(0);
  EXPECT_EQ(scripts[0].loads, 2);
  EXPECT_EQ(status->state, State::serving);
  worker_exits(1);
  const auto lost = system.spawn(scripted_worker, &scripts[1]);
  self->send(supervisor, WorkerArrived{1, life_of(1), 101}, lost);
  coordinator.try_run_once();
  cut(lost);  // with the answer
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, ANodeThatComesBackKeepsWhatLivesOnIt) {
  cut(node_[1]);
  EXPECT_EQ(status->state, State::serving) << "its worker has a link of its own";
  cut(worker_[1]);
  while (coordinator.trigger_timeout()) run();
  EXPECT_EQ(status->state, State::recovering);
  EXPECT_EQ(node_arrives(1, {{1, life_of(1), 101}}, 1).node, 1);
  EXPECT_EQ(status->state, State::recovering) << "its worker comes by itself";
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
  EXPECT_EQ(orders[1].starts.size(), 1u);
  EXPECT_TRUE(orders[1].kills.empty());
}

TEST_F(RanksTest, ANodeThatComesBackEmptyStartsItsWorkersAgain) {
  cut(node_[1]);
  EXPECT_EQ(node_arrives(1, {}, -1).node, 1);
  EXPECT_EQ(life_of(1), 2u);
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
  EXPECT_EQ(status->restarts, 1u);
}

TEST_F(RanksTest, AnOrderFromBeforeACutNeedsNoAnswer) {
  scripts[1].is_silent = true;
  cut(worker_[0]);
  worker_arrives(0);
  pass(std::chrono::milliseconds(25));
  cut(worker_[1]);
  scripts[1].is_silent = false;
  pass(std::chrono::milliseconds(20'000));
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
  self->send(supervisor, NodeTicks{{{1, life_of(1), 30'000, 0, {}}}});
  run();
  EXPECT_TRUE(orders[1].kills.empty());
}

TEST_F(RanksTest, TheFirstPlaceIsForTheHeadsOwnNode) {
  cut(node_[0]);
  EXPECT_LT(node_arrives(1, {}, -1).node, 0);
  EXPECT_EQ(node_arrives(0, {{0, life_of(0), 100}}, 0).node, 0);
}

TEST_F(RanksTest, ANodeForWhichThereIsNoPlaceIsRefused) {
  const NodeWelcome answer = node_arrives(1, {}, -1);
  EXPECT_LT(answer.node, 0);
  EXPECT_NE(answer.refusal, "");
  EXPECT_LT(node_arrives(1, {}, 7).node, 0);
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, AHungWorkerIsKilledAlsoWhenTheOrderWasLostWithItsNode) {
  const std::uint64_t hung = life_of(1);
  self->send(supervisor, WorkerHangs{1, hung, runtime::Hang::stopped, 400, {}});
  run();
  ASSERT_EQ(orders[1].kills.size(), 1u);
  EXPECT_EQ(orders[1].kills[0].incarnation, hung);
  cut(node_[1]);
  EXPECT_EQ(node_arrives(1, {{1, hung, 101}}, 1).node, 1);
  EXPECT_EQ(orders[1].kills.size(), 2u);
  worker_exits(1);
  EXPECT_EQ(life_of(1), hung + 1);
  worker_arrives(1);
  EXPECT_EQ(status->state, State::serving);
}

TEST_F(RanksTest, OfRanksThatAllWaitTheOneBehindIsKilledTheSecondTime) {
  const Epoch before = status->epoch;
  tell_ticks(399, 5, 4);
  EXPECT_EQ(status->epoch, before);
  tell_ticks(400, 5, 4);
  EXPECT_EQ(status->epoch, before + 1);
  EXPECT_EQ(status->state, State::serving) << "they met anew";
  EXPECT_EQ(status->view().last_fault->rank, 1);
  const std::string page = metrics->text();
  for (const char* line :
       {"last_fault_step{model_name=\"demo\"} 7\n", "last_fault_layer{model_name=\"demo\"} 3\n"})
    EXPECT_NE(page.find(line), page.npos) << line;
  EXPECT_TRUE(orders[1].kills.empty());
  tell_ticks(799, 5, 4);
  EXPECT_TRUE(orders[1].kills.empty());
  tell_ticks(800, 5, 4);
  EXPECT_EQ(status->epoch, before + 2);
  EXPECT_EQ(orders[1].kills.size(), 1u);
  EXPECT_TRUE(orders[0].kills.empty());
}

TEST_F(RanksTest, AStallAfterACalmTimeIsTheFirstAgain) {
  const Epoch before = status->epoch;
  tell_ticks(400, 5, 4);
  EXPECT_EQ(status->epoch, before + 1);
  pass(std::chrono::milliseconds(10'001));
  tell_ticks(400, 5, 4);
  EXPECT_EQ(status->epoch, before + 2);
  EXPECT_TRUE(orders[1].kills.empty());
  tell_ticks(800, 5, 4);
  EXPECT_EQ(orders[1].kills.size(), 1u);
}

TEST_F(RanksTest, AStallThatIsGoingOnIsNoCalmTime) {
  const Epoch before = status->epoch;
  Epoch stalled = before;
  for (int limit = 400; limit <= 12'800; limit *= 2) {
    tell_ticks(limit, 5, 5);
    EXPECT_EQ(status->epoch, ++stalled) << limit;
    pass(std::chrono::milliseconds(2 * limit));
    tell_ticks(2 * limit - 1, 5, 5);
    EXPECT_EQ(status->epoch, stalled) << limit;
  }
}

TEST_F(RanksTest, WhatANodeSaidLongAgoIsNoEvidence) {
  const Epoch before = status->epoch;
  self->send(supervisor, NodeTicks{{{0, life_of(0), 400, 400, waiting(before, 4)}}});
  run();
  pass(std::chrono::milliseconds(201));
  self->send(supervisor, NodeTicks{{{1, life_of(1), 400, 400, waiting(before, 5)}}});
  run();
  EXPECT_EQ(status->epoch, before);
}

TEST_F(RanksTest, ANodeOfAnotherBuildIsRefused) {
  cut(node_[1]);
  build_of_nodes = "two";
  const NodeWelcome answer = node_arrives(1, {}, -1);
  EXPECT_LT(answer.node, 0);
  EXPECT_NE(answer.refusal.find("build two"), std::string::npos);
  build_of_nodes = "one";
  EXPECT_EQ(node_arrives(1, {}, -1).node, 1);
}

TEST_F(RanksTest, ABlockedNetworkEndsTheEpochAndIsGivenTwiceAsLongNextTime) {
  const Epoch before = status->epoch;
  tell_ticks(400, 5, 5);
  EXPECT_EQ(status->epoch, before + 1);
  EXPECT_EQ(status->state, State::serving) << "nobody died";
  EXPECT_EQ(status->view().last_fault->kind, "collective_blocked");
  tell_ticks(799, 5, 5);
  EXPECT_EQ(status->epoch, before + 1);
  tell_ticks(800, 5, 5);
  EXPECT_EQ(status->epoch, before + 2);
  EXPECT_EQ(status->restarts, 0u);
}

TEST_F(RanksTest, AFailedCollectiveWaitsForWhoIsAtFault) {
  const Epoch before = status->epoch;
  self->send(supervisor, StepFailed{0, before, "rank 1 left the epoch"});
  run();
  pass(std::chrono::milliseconds(499));
  EXPECT_EQ(status->epoch, before);
  pass(std::chrono::milliseconds(1));
  EXPECT_EQ(status->epoch, before + 1);
  EXPECT_EQ(status->state, State::serving);
  EXPECT_EQ(status->view().last_fault->kind, "collective_failed");

  self->send(supervisor, StepFailed{0, before + 1, "rank 1 left the epoch"});
  cut(worker_[1]);  // and there it is
  pass(std::chrono::milliseconds(25));
  EXPECT_EQ(status->epoch, before + 2);
  EXPECT_EQ(status->view().last_fault->kind, "cut_off");
  EXPECT_EQ(status->view().last_fault->rank, 1);
}

TEST_F(RanksTest, AMixtureOfArithmeticsIsRefused) {
  scripts[1].arithmetic = "bf16";
  worker_exits(1);
  worker_arrives(1);
  EXPECT_EQ(status->state, State::failed);
}

TEST_F(RanksTest, RestartsWaitLongerFromDeathToDeath) {
  worker_exits(1);
  EXPECT_EQ(life_of(1), 2u) << "the first at once";
  for (int pause = 50; pause <= 400; pause *= 2) {
    const std::uint64_t life = life_of(1);
    worker_exits(1);
    pass(std::chrono::milliseconds(pause - 1));
    EXPECT_EQ(life_of(1), life);
    pass(std::chrono::milliseconds(1));
    EXPECT_EQ(life_of(1), life + 1);
  }
  worker_exits(1);
  EXPECT_EQ(status->state, State::failed) << "the sixth in a row";
}

TEST_F(RanksTest, ARankThatLivedForAMinuteDiesForTheFirstTime) {
  for (int deaths = 0; deaths < 20; ++deaths) {
    worker_exits(1);
    worker_arrives(1);
    ASSERT_EQ(status->state, State::serving);
    pass(std::chrono::milliseconds(60'001));
  }
}

}  // namespace
}  // namespace troupe::actors
