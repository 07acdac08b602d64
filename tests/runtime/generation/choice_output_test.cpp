#include "runtime/generation/choice_output.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

const model::Tokenizer& tokenizer() {
  static const auto loaded = model::Tokenizer::load(DEMO_MODEL "/tokenizer.json");
  return loaded;
}

// Pushes the tokens of a text one by one; what came out, and how many tokens it took.
struct Outcome {
  model::ParsedOutput output;
  std::size_t taken = 0;
  std::string stop;
};

Outcome generate(const std::string& text, ChoiceOutputOptions options) {
  ChoiceOutput choice(tokenizer(), std::move(options));
  Outcome outcome;
  const auto tokens = tokenizer().encode(text).value();
  bool stopped = false;
  while (!stopped && outcome.taken < tokens.size()) {
    stopped = choice.push(tokens[outcome.taken++]);
    outcome.output.content += choice.take().content;
  }
  if (!stopped) choice.finish();
  outcome.output.content += choice.take().content;
  outcome.stop = choice.matched_stop();
  return outcome;
}

TEST(ChoiceOutput, GivesTheTextBack) {
  EXPECT_EQ(generate("Hello, wörld! 你好 👩‍👩‍👧", {}).output.content,
            "Hello, wörld! 你好 👩‍👩‍👧");
}

TEST(ChoiceOutput, DropsSpecialTokensUnlessTheyAreWanted) {
  EXPECT_EQ(generate("a<｜User｜>b", {}).output.content, "ab");
  EXPECT_EQ(generate("a<｜User｜>b", {.skip_special_tokens = false}).output.content, "a<｜User｜>b");
}

TEST(ChoiceOutput, EndsBeforeAStopStringThatSpansTokens) {
  const auto stopped = generate("one two three four", {.stop = {"wo thr"}});
  EXPECT_EQ(stopped.output.content, "one t");
  EXPECT_EQ(stopped.stop, "wo thr");
  EXPECT_LT(stopped.taken, tokenizer().encode("one two three four").value().size());
}

TEST(ChoiceOutput, KeepsTheStopStringIfAsked) {
  EXPECT_EQ(generate("one two three", {.stop = {"two"}, .include_stop = true}).output.content, "one two");
}

TEST(ChoiceOutput, AStopStringThatNeverCompletesIsText) {
  EXPECT_EQ(generate("one two thr", {.stop = {"three"}}).output.content, "one two thr");
}

}  // namespace
}  // namespace troupe::runtime
