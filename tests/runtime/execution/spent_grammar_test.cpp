// A grammar whose masks take too long ends the answer that is held to it, and no other.
#include <gmock/gmock.h>

#include "tests/runtime/execution/demo_engine.hpp"

namespace troupe::runtime {
namespace {

const GrammarSpec dear{.kind = GrammarSpec::Kind::regex, .text = "(zq){4}((.{1,12} ?){1,12}!){1,10}"};

// Up to where it ended, and how.
struct Outcome {
  Outputs outputs;
  std::map<SequenceId, FinishReason> finish;
};

Outcome run_beside(std::vector<Submission> submissions, std::int32_t in_flight) {
  SchedulerLimits limits = wide();
  limits.max_steps_in_flight = in_flight;
  ModelExecutor executor = demo().executor(many_blocks, {}, [](GrammarId) { return grammar_of(dear); });
  Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
  Outcome outcome;
  outcome.outputs = run(engine, submissions, [&](const auto& committed) {
    for (const CommittedToken& each : committed) outcome.finish[each.sequence] = each.finish;
  });
  return outcome;
}

TEST(SpentGrammar, EndsItsAnswerAlone) {
  Submission held = request(2, 20), other = request(3, 20);
  held.max_output_tokens = other.max_output_tokens = 100;
  held.stop_ids = held.rules.ends = text_model().eos_ids;
  held.rules.grammar = grammar_id(dear);
  const Outcome alone = run_beside({other}, 1);
  Outcome first;
  for (const std::int32_t in_flight : {1, 2}) {
    Outcome outcome = run_beside({held, other}, in_flight);
    EXPECT_EQ(outcome.finish[2], FinishReason::error);
    EXPECT_THAT(outcome.outputs[2], testing::Contains(std::uint32_t(no_mask)));
    EXPECT_EQ(outcome.finish[3], FinishReason::length);
    EXPECT_EQ(outcome.outputs[3], alone.outputs.at(3));
    if (in_flight == 1)
      first = std::move(outcome);
    else
      EXPECT_EQ(outcome.outputs[2], first.outputs[2]) << "at the same token";
  }
}

}  // namespace
}  // namespace troupe::runtime
