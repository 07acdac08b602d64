// Tokens that a grammar forces are verified ahead, so that an answer takes fewer steps than it has tokens. That its bytes
// are the same says byte_equality_test.
#include <gmock/gmock.h>

#include "runtime/execution/sequence_table.hpp"
#include "tests/runtime/execution/demo_engine.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAreArray;

const GrammarSpec forecast{
    .kind = GrammarSpec::Kind::json_schema,
    .text =
        R"({"type": "object", "properties": {"temperature_in_celsius": {"type": "boolean"}, "probability_of_rain":
            {"type": "boolean"}, "direction_of_wind": {"enum": ["northwest", "southeast"]}}, "required":
            ["temperature_in_celsius", "probability_of_rain", "direction_of_wind"]})",
    .any_whitespace = false};

struct Ran {
  Bytes bytes;
  std::uint64_t tokens = 0;
  SchedulerStats stats;
};

Ran run_forecast(SchedulerLimits limits) {
  Submission submission = request(2, 20);
  submission.max_output_tokens = 200;
  submission.stop_ids = submission.rules.ends = text_model().eos_ids;
  submission.rules.grammar = grammar_id(forecast);
  ModelExecutor executor = demo().executor(many_blocks, {}, [](GrammarId) { return grammar_of(forecast); });
  Engine engine(limits, make_policy("fcfs"), many_blocks, executor);
  Ran ran;
  ran.bytes = run(engine, {submission}, [&](const auto& committed) { ran.tokens += committed.size(); })[2];
  ran.stats = engine.stats();
  return ran;
}

TEST(JumpAhead, SavesSteps) {
  SchedulerLimits limits = wide();
  limits.max_num_batched_tokens = 1;  // no room for a draft
  const Ran without = run_forecast(limits);
  EXPECT_EQ(without.stats.forced_tokens, 0u);
  limits = wide();
  for (const std::int32_t in_flight : {1, 2}) {
    limits.max_steps_in_flight = in_flight;
    const Ran with = run_forecast(limits);
    EXPECT_EQ(with.bytes, without.bytes);
    EXPECT_LT(with.stats.steps, with.tokens * 2 / 3) << in_flight << " in flight";
    const std::uint64_t sampled = with.stats.steps + with.stats.accepted_forced_tokens;
    EXPECT_TRUE(sampled == with.tokens || sampled == with.tokens + 1) << "one behind the end is nobody's";
    EXPECT_EQ(with.stats.drafts + with.stats.draft_tokens + with.stats.accepted_tokens, 0u);
    RecordProperty("wrong", int(with.stats.forced_tokens - with.stats.accepted_forced_tokens));
    RecordProperty("steps_with_" + std::to_string(in_flight) + "_in_flight", int(with.stats.steps));
    RecordProperty("tokens", int(with.tokens));
  }
}

class ForcedTokens : public ::testing::Test {
 protected:
  const GrammarSpec answer{.kind = GrammarSpec::Kind::choice, .text = R"(["the capital of Norway"])"};
  const std::vector<TokenId> tokens = text_model().tokenizer.encode("the capital of Norway").value();
  SequenceTable table{block_size, 4, demo().checkpoint.config().vocab_size,
                      [this](GrammarId) { return grammar_of(answer); }};

  StepPlan first() const {
    StepPlan plan{.epoch = 1, .step = 1, .group_rows = {2}};
    plan.begin = {{1, {10, 11}, 2, 0, {}, {.ends = text_model().eos_ids, .grammar = {1, 1}}, {0, 1}}};
    plan.extend = {{1, {}, {}, 2, 0, true}};
    return plan;
  }
  // The first step, which samples the answer's first token.
  const SequenceOutput& begin(std::span<const SequenceTable::Part> parts) {
    return table.advance(parts, {1, 1, 0, {{1, {{tokens[0], 0, {}}}}}, {}}).outputs[0];
  }
};

TEST_F(ForcedTokens, AreToldWithWhatWasSampledAndComeAsDrafts) {
  ASSERT_GT(tokens.size(), 3u);
  EXPECT_EQ(begin(table.take(first())).forced, std::int32_t(tokens.size())) << "those behind it, and the end";
  StepPlan next{.epoch = 1, .step = 2, .after = 1, .group_rows = {3}};
  next.extend = {{1, {}, {}, 3, 2, true}};
  EXPECT_THAT(table.take(next)[0].inputs, ElementsAreArray(std::span(tokens).first(3)));
}

TEST_F(ForcedTokens, ComeBeforeGuesses) {
  auto parts = table.take(first());
  begin(parts);
  constexpr TokenId guess = 77;
  const std::size_t forced = parts[0].entry->forced.size();
  parts[0].entry->drafts.assign(forced + 1, guess);
  StepPlan next{.epoch = 1, .step = 2, .after = 1, .group_rows = {std::int32_t(forced) + 2}};
  next.extend = {{1, {}, {}, std::int32_t(forced) + 2, std::int32_t(forced) + 1, true}};
  std::vector<TokenId> inputs = tokens;
  inputs.push_back(text_model().eos_ids[0]);
  inputs.push_back(guess);
  EXPECT_THAT(table.take(next)[0].inputs, ElementsAreArray(inputs));
}

}  // namespace
}  // namespace troupe::runtime
