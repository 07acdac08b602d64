// Runs the actors of a whole replica one message at a time on the test's own thread, with a clock that the
// test moves and the demo model behind them.
#pragma once

#include <gtest/gtest.h>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "actors/node.hpp"
#include "actors/replica_supervisor.hpp"
#include "actors/request.hpp"
#include "actors/request_supervisor.hpp"
#include "actors/scheduler_actor.hpp"
#include "model/checkpoint/checkpoint.hpp"
#include "tests/actors/gate.hpp"
#include "tests/actors/kv_room.hpp"
#include "tests/actors/reader.hpp"
#include "tests/actors/test_config.hpp"

namespace troupe::actors {

using runtime::ReplicaState;

class ActorTest : public ::testing::Test {
 protected:
  explicit ActorTest(runtime::SchedulerLimits limits = {.max_model_len = 4096}, std::int32_t blocks = 512)
      : limits_(limits), blocks_(blocks) {}

  void SetUp() override {
    context->text = text_model();
    context->metrics = metrics;
    context->rules.max_model_len = limits_.max_model_len;
    context->tokenizing = &tokenizing;
    requests = system.spawn(request_supervisor, metrics);
    supervisor = system.spawn(replica_supervisor, settings());
    node = system.spawn(local_node, supervisor, worker_of_replica(), &ticks);
    run();
    ASSERT_EQ(state(), ReplicaState::serving);
  }
  void TearDown() override {
    self->send(requests, End{});
    self->send(supervisor, End{});
    run();
  }
  // Drains mailboxes and timeouts: ~actor_system waits for every actor that something still refers to.
  ~ActorTest() override {
    while (scheduler.try_run_once() || scheduler.trigger_timeout()) {
    }
  }

  static std::shared_ptr<const model::TextModel> text_model() {
    static const auto loaded = std::make_shared<const model::TextModel>(model::TextModel::load(DEMO_MODEL));
    return loaded;
  }

  // On the test's thread, its compute actor too.
  virtual SpawnWorker spawn_worker(const WorkerOptions& options) {
    return [options](caf::actor_system& system) {
      return system.spawn(worker, options, system.spawn(compute, options));
    };
  }

  virtual SpawnWorker worker_of_replica() { return spawn_worker({.ticks = &ticks, .progress = &progress}); }

  ReplicaSettings settings() {
    const auto experts = model::Checkpoint::open(DEMO_MODEL).config().n_routed_experts;
    ReplicaSettings made;
    made.membership.spread_experts.assign(std::size_t(experts), {0});
    made.model.checkpoint = DEMO_MODEL;
    made.model.limits = {limits_.max_num_batched_tokens, limits_.max_num_seqs, limits_.max_model_len, false};
    made.model.cache = room_for(blocks_, limits_.block_size);
    made.model.block_size = limits_.block_size;
    made.scheduler = {limits_, {policy}, 1, 0, metrics};
    made.blocks = {0, limits_.block_size, limits_.prefix_caching, 0, 0, metrics};
    made.status = status;
    made.metrics = metrics;
    made.requests = requests;
    return made;
  }
  ReplicaState state() const { return status->state(); }
  Epoch epoch() const { return status->view().epoch; }
  // Of all ranks.
  std::uint64_t restarts() const {
    std::uint64_t sum = 0;
    for (const runtime::RankView& rank : status->view().ranks) sum += rank.restarts;
    return sum;
  }

  struct Running {
    RequestHandle actor;
    std::shared_ptr<Reader> reader = std::make_shared<Reader>();
  };
  Running start(runtime::GenerationRequest request, std::int32_t credit = 1'000'000) {
    Running running;
    auto once = std::make_shared<TerminalOnce>(running.reader);
    const TimeLimits times = request.times;
    running.actor = system.spawn(actors::request, std::move(request), context, once);
    self->send(requests, RequestBorn{running.actor, once, times});
    self->send(running.actor, Credit{credit});
    return running;
  }

  // Until nothing is left to do but to wait. Prompts are tokenized while no actor has anything to do.
  void run() {
    do {
      scheduler.run();
      gate.let_through();
    } while (scheduler.has_job());
  }
  // Lets time pass until the replica serves again.
  void recover() {
    run();
    while (state() == ReplicaState::recovering && scheduler.trigger_timeout()) run();
  }
  void run_some(int messages) {
    while (messages-- > 0) {
      if (!scheduler.has_job()) gate.let_through();
      if (!scheduler.try_run_once()) return;
    }
  }
  // Value of a metric line that begins so; 0 if there is none.
  double metric(const std::string& name) const {
    const std::string text = "\n" + metrics->text();
    const auto at = text.find("\ntroupe_" + name);
    return at == std::string::npos ? 0 : std::stod(text.substr(text.find("} ", at) + 2));
  }

  // Of all experts.
  double expert_load() const {
    const std::string text = metrics->text();
    double sum = 0;
    for (std::size_t at = 0; (at = text.find("\ntroupe_expert_load{", at)) != std::string::npos; ++at)
      sum += std::stod(text.substr(text.find("} ", at) + 2));
    return sum;
  }

  runtime::SchedulerLimits limits_;
  std::int32_t blocks_;
  std::string policy = "decode_first";
  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>("demo");
  std::shared_ptr<ReplicaStatus> status = std::make_shared<ReplicaStatus>();
  std::shared_ptr<RequestContext> context = std::make_shared<RequestContext>();
  TickBoard ticks;
  model::Progress progress;
  TestConfig config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  JobQueue tokenizing{1, 200};
  Gate gate{tokenizing};
  caf::scoped_actor self{system, true};
  RequestSupervisorHandle requests;
  ReplicaSupervisorHandle supervisor;
  NodeHandle node;
};

}  // namespace troupe::actors
