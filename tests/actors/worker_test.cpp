#include "actors/worker.hpp"

#include "model/grammar/grammar_cache.hpp"
#include "model/grammar/grammar_compiler.hpp"
#include "tests/actors/actor_test.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::milliseconds step_time{1};

// Stands before a compute actor that is busy: each step waits for a while. begins: how many came that begin a sequence
// with a grammar.
ComputeHandle::behavior_type busy_compute(ComputeHandle::pointer self, ComputeHandle compute,
                                          std::shared_ptr<int> begins) {
  self->link_to(compute);
  return {[=](const LoadOrder& told) { self->send(compute, told); },
          [=](const CacheOrder& told) { self->send(compute, told); },
          [=](const JoinOrder& told) { self->send(compute, told); },
          [=](const StepOrder& told) {
            for (const runtime::Begin& each : told.plan.begin) *begins += bool(each.rules.grammar);
            self->delayed_send(compute, step_time, told);
          },
          [=](const Drill& order) { self->send(compute, order); }};
}

class WorkerTest : public ActorTest {
 protected:
  void SetUp() override {
    context->rules.grammars = grammars.get();
    context->compiling = &tokenizing;
    ActorTest::SetUp();
  }
  SpawnWorker spawn_worker(const WorkerOptions& given) override {
    WorkerOptions options = given;
    options.compile_grammar = [grammars = grammars](const GrammarSpec& spec) { return grammars->get(spec); };
    return [options, begins = begins](caf::actor_system& system) {
      return system.spawn(worker, options,
                          system.spawn(busy_compute, system.spawn(compute, options), begins));
    };
  }
  static std::shared_ptr<model::GrammarCache> make_grammars() {
    static const model::GrammarCompiler compiler(text_model()->tokenizer,
                                                 model::Checkpoint::open(DEMO_MODEL).config().vocab_size,
                                                 text_model()->eos_ids);
    return std::make_shared<model::GrammarCache>(
        [](const GrammarSpec& spec, TimePoint deadline) { return compiler.compile(spec, deadline); },
        model::GrammarCacheOptions{.timeout = std::chrono::minutes(5)});
  }
  Running start_ruled(const GrammarSpec& grammar) {
    auto request = chat("");
    request.prompts = {std::string("Count from 1 to 30.")};
    request.grammar = grammar;
    request.max_tokens = 8;
    return start(request);
  }
  // The rank makes the grammar ready on a thread of its own.
  void run_until_begun() {
    for (const int before = *begins; *begins == before;) run();
  }
  // All those in flight.
  void run_step() {
    scheduler.advance_time(step_time);
    run();
  }

  std::shared_ptr<model::GrammarCache> grammars = make_grammars();
  std::shared_ptr<int> begins = std::make_shared<int>(0);
};

// Its grammar is forgotten while the step that begins it waits for its turn, and is nobody else's fault.
TEST_F(WorkerTest, AClientThatLeavesBeforeItsFirstStepEndsNoEpoch) {
  const GrammarSpec digits{.kind = GrammarSpec::Kind::regex, .text = "[0-9]{20}"};
  const Epoch before = epoch();
  const Running gone = start_ruled(digits);
  run_until_begun();
  self->send(gone.actor, CancelRequest{});
  run();
  run_step();
  ASSERT_EQ(epoch(), before);
  ASSERT_EQ(state(), ReplicaState::serving);
  const Running stays = start_ruled(digits);
  run_until_begun();
  for (int steps = 0; stays.reader->endings == 0 && steps < 100; ++steps) run_step();
  EXPECT_EQ(stays.reader->endings, 1);
  EXPECT_FALSE(stays.reader->failure);
  EXPECT_EQ(stays.reader->choices[0].content.find_first_not_of("0123456789"), std::string::npos);
  EXPECT_EQ(epoch(), before);
}

}  // namespace
}  // namespace troupe::actors
