// The scheduler's actor between real block managers and workers that compute with a toy, one message at a
// time.
#include "actors/scheduler_actor.hpp"

#include <gtest/gtest.h>

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/kv_block_manager.hpp"
#include "runtime/lab/soak/toy_executor.hpp"
#include "tests/actors/test_config.hpp"

namespace troupe::actors {
namespace {

struct ToyWorkerState {
  std::unique_ptr<runtime::lab::ToyExecutor> executor;
};
// What the workers were told of grammars, in order: "learn" and "forget".
using Told = std::vector<std::string>;
WorkerHandle::behavior_type toy_worker(WorkerHandle::stateful_pointer<ToyWorkerState> self, GroupId group,
                                       Told* told) {
  self->state.executor = std::make_unique<runtime::lab::ToyExecutor>(64, 4, group);
  return {[](const LoadModel&) {},
          [](const MakeCache&) {},
          [](const JoinEpoch&) {},
          [](const RankAddress&) {},
          [](const runtime::AbortEpochs&) {},
          [told](const LearnGrammar&) { told->push_back("learn"); },
          [told](const ForgetGrammar&) { told->push_back("forget"); },
          [self](runtime::StepPlan plan) {
            for (runtime::Begin& each : plan.begin) each.rules = {};  // the toy has no logits to change
            self->send(caf::actor_cast<SchedulerHandle>(self->current_sender()),
                       self->state.executor->execute(plan));
          },
          [](const Drill&) {}};
}

// Submits what it is told of with a scheduler, and keeps the tokens.
struct Client {
  std::vector<runtime::Submission> to_submit;
  std::map<SequenceId, std::vector<TokenId>> tokens;
  std::set<SequenceId> finished;
  int refusals_expected = 0;
};
RequestHandle::behavior_type client_actor(RequestHandle::pointer self, Client* client) {
  return {[](const Tokenized&) {},
          [client](const TokenReady& ready) {
            client->tokens[ready.committed.sequence].push_back(ready.committed.sampled.token);
            if (ready.committed.finish != runtime::FinishReason::none)
              client->finished.insert(ready.committed.sequence);
          },
          [](const Queued&) {},
          [client](const Refused&) { EXPECT_GE(--client->refusals_expected, 0); },
          [](const Interrupted&) {},
          [self, client](const NewScheduler& news) {
            for (auto& each : std::exchange(client->to_submit, {})) self->send(news.scheduler, Submit{each});
          },
          [](const GiveUp&) {},
          [](const Credit&) {},
          [](const TimeIsUp&) {},
          [](const Withdraw&) {},
          [](const CancelRequest&) {}};
}

class SchedulerActorTest : public ::testing::Test {
 protected:
  static constexpr GroupId groups = 2;

  void SetUp() override {
    const runtime::SchedulerLimits limits{
        .max_num_batched_tokens = 16, .max_num_seqs = 4, .max_model_len = 64, .block_size = 4};
    scheduler_actor_ = system.spawn(scheduler_actor, SchedulerSettings{.limits = limits,
                                                                       .policy = {"decode_first"},
                                                                       .groups = groups,
                                                                       .epoch = 1,
                                                                       .metrics = metrics,
                                                                       .shadow_policy = "fcfs",
                                                                       .status = status});
    std::vector<KvBlockManagerHandle> blocks;
    std::vector<WorkerHandle> workers;
    for (GroupId group = 0; group < groups; ++group) {
      blocks.push_back(
          system.spawn(kv_block_manager, KvBlockManagerSettings{64, 4, true, group, 1, metrics}));
      workers.push_back(system.spawn(toy_worker, group, &told));
    }
    client_ = system.spawn(client_actor, &client);
    self->send(scheduler_actor_, BeginEpoch{1, blocks, workers});
    run();
  }
  void TearDown() override {
    self->send_exit(scheduler_actor_, caf::exit_reason::user_shutdown);
    self->send_exit(client_, caf::exit_reason::user_shutdown);
    run();
  }
  void run(int messages = 1 << 20) {
    while (messages-- > 0 && coordinator.try_run_once()) {
    }
  }
  SequenceId submit(std::int32_t outputs, const GrammarSpec* grammar = nullptr, Duration patience = {}) {
    const SequenceId id = ++last_;
    runtime::Submission submission;
    if (grammar) submission.grammar = *grammar, submission.rules.grammar = grammar_id(*grammar);
    submission.sequence = id;
    submission.tokens = {1, 2, 3, TokenId(id % 40)};
    submission.prompt_tokens = 4;
    submission.max_output_tokens = outputs;
    submission.arrival = id;
    if (patience > Duration{}) submission.start_by = self->clock().now() + patience;
    client.to_submit.push_back(submission);
    self->send(client_, NewScheduler{scheduler_actor_});
    return id;
  }

  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>("toy");
  std::shared_ptr<ScheduleStatus> status = std::make_shared<ScheduleStatus>();
  Client client;
  Told told;
  TestConfig config;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& coordinator =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  caf::scoped_actor self{system, true};
  SchedulerHandle scheduler_actor_;
  RequestHandle client_;
  SequenceId last_ = 0;
};

TEST_F(SchedulerActorTest, ASequenceWaitsUntilItsGrammarIsReadyAndOthersDoNot) {
  const GrammarSpec grammar{.kind = GrammarSpec::Kind::regex, .text = "a"};
  const GrammarId id = grammar_id(grammar);
  const SequenceId waits = submit(2, &grammar), other = submit(2);
  run();
  EXPECT_EQ(told, (Told{"learn", "learn"}));
  EXPECT_EQ(client.finished, std::set{other});
  self->send(scheduler_actor_, GrammarReady{id, 1, 0, ""});
  run();
  EXPECT_FALSE(client.finished.contains(waits));
  self->send(scheduler_actor_, GrammarReady{id, 1, 1, ""});
  run();
  EXPECT_TRUE(client.finished.contains(waits));
  EXPECT_EQ(told, (Told{"learn", "learn", "forget", "forget"}));
}

// The ranks have forgotten what they answer of, and are to make it ready once more.
TEST_F(SchedulerActorTest, AnAnswerToAnEarlierTellingOfAGrammarCountsForNothing) {
  const GrammarSpec grammar{.kind = GrammarSpec::Kind::regex, .text = "a"};
  const auto ready = [&](std::uint64_t telling, const std::string& failure = "") {
    for (const std::int32_t rank : {0, 1})
      self->send(scheduler_actor_, GrammarReady{grammar_id(grammar), telling, rank, failure});
    run();
  };
  const SequenceId gone = submit(2, &grammar);
  run();
  self->send(scheduler_actor_, CancelSequence{gone});
  const SequenceId stays = submit(2, &grammar);
  run();
  EXPECT_EQ(told, (Told{"learn", "learn", "forget", "forget", "learn", "learn"}));
  ready(1);
  ready(1, "no memory");
  EXPECT_FALSE(client.finished.contains(stays));
  ready(2);
  EXPECT_TRUE(client.finished.contains(stays));
}

TEST_F(SchedulerActorTest, AGrammarThatARankCannotMakeEndsItsSequence) {
  const GrammarSpec grammar{.kind = GrammarSpec::Kind::regex, .text = "a"};
  client.refusals_expected = 1;
  submit(2, &grammar);
  run();
  self->send(scheduler_actor_, GrammarReady{grammar_id(grammar), 1, 1, "no memory"});
  run();
  EXPECT_EQ(client.refusals_expected, 0);
  EXPECT_EQ(told.back(), "forget");
}

// Also while both groups give their last blocks back, and have nothing else to say.
TEST_F(SchedulerActorTest, NothingThatComesAtAnyMomentIsForgotten) {
  for (const std::int32_t shorter : {1, 2, 3}) {
    for (int messages = 0; messages < 100; ++messages) {
      submit(4);
      submit(shorter);
      run(messages);
      submit(2);
      run();
      ASSERT_EQ(client.finished.size(), last_) << "submitted after " << messages << " messages";
    }
  }
}

TEST_F(SchedulerActorTest, WhoWaitsUntilItIsLateIsToldSoAndTheOthersGoOn) {
  using std::chrono::milliseconds;
  std::set<SequenceId> others;
  for (int i = 0; i < 8; ++i) others.insert(submit(40));  // which take all seats
  run(40);
  const SequenceId late = submit(1, nullptr, milliseconds(60));
  client.refusals_expected = 1;
  for (int i = 0; i < 1000; ++i) {
    run(1);
    coordinator.advance_time(milliseconds(1));
  }
  run();
  EXPECT_EQ(client.refusals_expected, 0);
  EXPECT_EQ(client.finished, others);
  EXPECT_FALSE(client.tokens.contains(late));
}

// At any moment, to any policy: nothing is lost, and all get the tokens that they get alone.
TEST_F(SchedulerActorTest, ThePolicyMayChangeAtAnyMoment) {
  int messages = 0;
  for (const std::string& name : runtime::policy_names())
    for (int round = 0; round < 12; ++round) {
      const SequenceId first = submit(6), second = submit(3), third = submit(5);
      run(messages = (messages + 7) % 53);
      self->send(scheduler_actor_, ChangePolicy{{name}});
      run();
      ASSERT_EQ(client.finished.size(), last_) << name << " after " << messages << " messages";
      for (const SequenceId id : {first, second, third}) {
        runtime::Submission alone;
        alone.tokens = {1, 2, 3, TokenId(id % 40)};
        alone.prompt_tokens = 4;
        alone.max_output_tokens = id == first ? 6 : id == second ? 3 : 5;
        EXPECT_EQ(client.tokens[id], runtime::lab::toy_output(alone, 64).tokens);
      }
      ASSERT_EQ(status->view().policy.name, name);
    }
}

TEST_F(SchedulerActorTest, ShowsItsQueuesAndItsShadow) {
  submit(20);
  submit(4);
  run();
  const runtime::ScheduleView view = status->view();
  EXPECT_EQ(view.policy.name, "decode_first");
  ASSERT_TRUE(view.shadow);
  EXPECT_EQ(view.shadow->name, "fcfs");
  ASSERT_EQ(view.stats.groups.size(), groups);
  EXPECT_EQ(view.limits.max_num_seqs, 4);
  EXPECT_EQ(view.stats.running + view.stats.waiting, 0);
  EXPECT_GE(view.stats.steps, 20u);
  EXPECT_GE(view.stats.shadow.steps, 20u);
  EXPECT_EQ(view.stats.groups[0].total_blocks, 64);
  EXPECT_EQ(view.stats.groups[0].last_step_budget, 16);
  EXPECT_NE(metrics->text().find("troupe_shadow_policy_steps_total"), std::string::npos);
}

}  // namespace
}  // namespace troupe::actors
