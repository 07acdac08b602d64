#include "runtime/generation/choice_output.hpp"

#include <gtest/gtest.h>

#include "model/json/parse.hpp"
#include "tests/temporary_folder.hpp"

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
  bool in_call = false;
};

Outcome generate(const std::string& text, ChoiceOutputOptions options,
                 const model::Tokenizer& with = tokenizer(), bool cut_off = false) {
  ChoiceOutput choice(with, std::move(options));
  Outcome outcome;
  const auto take = [&] {
    const auto delta = choice.take();
    outcome.output.content += delta.content;
    outcome.output.reasoning += delta.reasoning;
    std::ranges::copy(delta.tool_calls, std::back_inserter(outcome.output.tool_calls));
  };
  const auto tokens = with.encode(text).value();
  bool stopped = false;
  while (!stopped && outcome.taken < tokens.size()) {
    stopped = choice.push(tokens[outcome.taken++]);
    take();
  }
  if (!stopped) choice.finish(cut_off);
  take();
  outcome.stop = choice.matched_stop();
  outcome.in_call = choice.in_call();
  return outcome;
}

// Names and arguments.
std::string calls_of(const Outcome& outcome) {
  std::string calls;
  for (const auto& piece : outcome.output.tool_calls)
    calls += (piece.begins ? piece.name + " " : "") + piece.arguments;
  return calls;
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

// As vLLM counts: one may end with the first token behind them, and may have begun before.
TEST(ChoiceOutput, AStopStringThatEndsWithinTheFewestTokensIsText) {
  const std::string text = "one two three two four";
  const auto tokens = std::int32_t(tokenizer().encode("one two").value().size());
  EXPECT_EQ(generate(text, {.stop = {" two"}, .min_tokens = tokens - 1}).output.content, "one");
  EXPECT_EQ(generate(text, {.stop = {" two"}, .min_tokens = tokens}).output.content, "one two three");
  EXPECT_EQ(generate(text, {.stop = {" two"}, .min_tokens = 1000}).output.content, text);
  EXPECT_EQ(generate(text, {.stop = {"two three"}, .min_tokens = tokens}).output.content, "one ");
}

TEST(ChoiceOutput, AStopStringThatNeverCompletesIsText) {
  EXPECT_EQ(generate("one two thr", {.stop = {"three"}}).output.content, "one two thr");
}

TEST(ChoiceOutput, MarkersOfCallsAreFoundThoughTheyAreSpecial) {
  ASSERT_TRUE(tokenizer().is_special(tokenizer().id_of_added("<｜tool▁sep｜>").value()));
  const auto called = generate(
      "So<｜User｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```"
      "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      {.skip_special_tokens = true, .format = {.tool_calls = true}});
  EXPECT_EQ(called.output.content, "So");
  EXPECT_EQ(calls_of(called), "f {\"a\": 1}");
}

TEST(ChoiceOutput, SaysWhetherACallIsWhole) {
  const std::string begin = "<｜tool▁calls▁begin｜>",
                    call = "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"city\": \"Lima\"}",
                    end = "<｜tool▁call▁end｜>";
  const auto in_call = [](const std::string& text, std::vector<std::string> stop) {
    return generate(text, {.stop = std::move(stop), .format = {.tool_calls = true}}).in_call;
  };
  EXPECT_TRUE(in_call(begin + call + end + call + end, {"Lima"}));
  EXPECT_TRUE(in_call(begin + call + end + call, {}));
  EXPECT_FALSE(in_call(begin + call + end + call + end, {}));
  EXPECT_FALSE(in_call("no call of Lima", {"Lima"}));
}

TEST(ChoiceOutput, MarkersThatAreSpecialInAnotherTokenizerAreFound) {
  auto file = model::load_json(DEMO_MODEL "/tokenizer.json", 1 << 20);
  for (auto& token : file["added_tokens"]) {
    if (token["content"] == "</think>") token["special"] = true;
    if (token["content"] == "<｜tool▁output▁begin｜>") token["content"] = "｜DSML｜";
  }
  auto& vocabulary = file["model"]["vocab"];
  vocabulary["｜DSML｜"] = vocabulary.at("<｜tool▁output▁begin｜>");
  vocabulary.erase("<｜tool▁output▁begin｜>");
  const TemporaryFolder folder;
  const auto other = model::Tokenizer::load(folder.write("tokenizer.json", file.dump()));
  ASSERT_TRUE(other.is_special(other.id_of_added("｜DSML｜").value()));
  const auto called = generate(
      "Hm</think>So\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" "
      "string=\"false\">1</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
      {.skip_special_tokens = true,
       .format = {.reasoning = true, .starts_in_reasoning = true, .tool_calls = true}},
      other);
  EXPECT_EQ(called.output.reasoning, "Hm");
  EXPECT_EQ(called.output.content, "So");
  EXPECT_EQ(calls_of(called), "f {\"a\": 1}");
}

TEST(ChoiceOutput, ATagThatTheLimitCutsOffIsNoText) {
  const std::string text = "So<｜DSML｜function_ca";
  const ChoiceOutputOptions options{.format = {.tool_calls = true}};
  EXPECT_EQ(generate(text, options, tokenizer(), true).output.content, "So");
  EXPECT_EQ(generate(text, options).output.content, text);
}

TEST(ChoiceOutput, NothingFollowsTheOnlyCallThatIsWanted) {
  const std::string call = "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜>";
  const std::string first = "<｜tool▁calls▁begin｜>" + call;
  const auto called =
      generate(first + call + "<｜tool▁calls▁end｜>", {.format = {.tool_calls = true, .one_call = true}});
  EXPECT_EQ(calls_of(called), "f {}");
  EXPECT_EQ(called.taken, tokenizer().encode(first).value().size());
  EXPECT_EQ(called.stop, "");
}

}  // namespace
}  // namespace troupe::runtime
