// Runs the actors of a whole replica one message at a time on the test's own thread, with a clock that the
// test moves and the demo model behind them.
#pragma once

#include <gtest/gtest.h>

#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include "actors/edge_actor.hpp"
#include "actors/node.hpp"
#include "actors/replica_supervisor.hpp"
#include "actors/request.hpp"
#include "actors/scheduler_actor.hpp"
#include "actors/system_config.hpp"
#include "model/checkpoint.hpp"
#include "tests/actors/reader.hpp"

namespace troupe::actors {

struct TestConfig : LocalConfig {
  TestConfig() { set("scheduler.policy", caf::atom("testing")); }
};

class ActorTest : public ::testing::Test {
 protected:
  explicit ActorTest(runtime::SchedulerLimits limits = {.max_model_len = 4096}, std::int32_t blocks = 512)
      : limits_(limits), blocks_(blocks) {}

  void SetUp() override {
    context->text = text_model();
    context->metrics = metrics;
    context->max_model_len = limits_.max_model_len;
    edge = system.spawn(edge_actor, metrics);
    supervisor = system.spawn(replica_supervisor, settings());
    node = system.spawn(local_node, supervisor,
                        WorkerOptions{.ticks = &ticks, .progress = &progress, .own_thread = false});
    run();
    ASSERT_EQ(status->state, ReplicaStatus::State::serving);
  }
  void TearDown() override {
    self->send(edge, caf::ok_atom::value);
    self->send(supervisor, caf::ok_atom::value);
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

  ReplicaSettings settings() {
    ReplicaSettings made;
    made.model = {.checkpoint = DEMO_MODEL,
                  .max_tokens = limits_.max_num_batched_tokens,
                  .max_logit_rows = limits_.max_num_seqs,
                  .max_positions = limits_.max_model_len,
                  .blocks = blocks_,
                  .block_size = limits_.block_size};
    made.scheduler = {limits_, policy, 1, 0, metrics};
    made.blocks = {blocks_, limits_.block_size, limits_.prefix_caching, 0, 0, metrics};
    made.experts = std::int32_t(model::Checkpoint::open(DEMO_MODEL).config().n_routed_experts);
    made.own_threads = false;
    made.status = status;
    made.metrics = metrics;
    made.edge = edge;
    return made;
  }

  struct Running {
    RequestHandle actor;
    std::shared_ptr<Reader> reader = std::make_shared<Reader>();
  };
  Running start(GenerationRequest request, std::int32_t credit = 1'000'000) {
    Running running;
    auto once = std::make_shared<TerminalOnce>(running.reader);
    running.actor = system.spawn(actors::request, std::move(request), context, once);
    self->send(edge, running.actor, once);
    self->send(running.actor, Credit{credit});
    return running;
  }

  void run() { scheduler.run(); }
  // Lets time pass until the replica serves again.
  void recover() {
    run();
    while (status->state == ReplicaStatus::State::recovering && scheduler.trigger_timeout()) run();
  }
  void run_some(int messages) {
    while (messages-- > 0 && scheduler.try_run_once()) {
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
  caf::scoped_actor self{system, true};
  EdgeHandle edge;
  ReplicaSupervisorHandle supervisor;
  NodeHandle node;
};

}  // namespace troupe::actors
