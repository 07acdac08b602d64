#include "runtime/generation/choice_output.hpp"

#include <gtest/gtest.h>

#include <random>

#include "model/json/parse.hpp"
#include "runtime/generation/pattern_filter.hpp"
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
  bool filtered = false, repeats = false;
};

Outcome generate(const std::string& text, ChoiceOutputOptions options,
                 const model::Tokenizer& with = tokenizer(), bool cut_off = false,
                 std::vector<TokenId> tokens = {}) {
  ChoiceOutput choice(with, std::move(options));
  Outcome outcome;
  const auto take = [&] {
    const auto delta = choice.take();
    outcome.output.content += delta.content;
    outcome.output.reasoning += delta.reasoning;
    std::ranges::copy(delta.tool_calls, std::back_inserter(outcome.output.tool_calls));
  };
  if (tokens.empty()) tokens = with.encode(text).value();
  bool stopped = false;
  while (!stopped && outcome.taken < tokens.size()) {
    stopped = choice.push(tokens[outcome.taken++]);
    take();
  }
  if (!stopped) choice.finish(cut_off);
  take();
  outcome.stop = choice.matched_stop();
  outcome.in_call = choice.in_call();
  outcome.filtered = choice.filtered();
  outcome.repeats = choice.repeats();
  EXPECT_TRUE(outcome.filtered || choice.settled());
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

TEST(ChoiceOutput, EndsWhereItGoesRoundInCircles) {
  const std::string text = "So: 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, and more";
  const auto tokens = tokenizer().encode(text).value();
  const auto ended = generate(text, {.repetition = {6, 2}});
  EXPECT_TRUE(ended.repeats);
  EXPECT_LT(ended.taken, tokens.size());
  EXPECT_TRUE(text.starts_with(ended.output.content));
  RepetitionGuard guard({6, 2});
  std::size_t expected = 1;
  while (!guard.push(tokens[expected - 1])) ++expected;
  EXPECT_EQ(ended.taken, expected);
  EXPECT_FALSE(generate(text, {.min_tokens = 1000, .repetition = {6, 2}}).repeats)
      << "the fewest tokens come first";
  EXPECT_EQ(generate(text, {.repetition = {64, 4}}).output.content, text);
}

std::shared_ptr<const OutputFilter> filter_of(const std::string& pattern, bool masks) {
  return std::make_shared<const PatternFilter>(
      PatternFilter::Rules{std::make_shared<const FilterRule>(FilterRule{.filter = "f",
                                                                         .source = pattern,
                                                                         .pattern = FilterPattern(pattern),
                                                                         .masks = masks,
                                                                         .replacement = "[x]"})});
}

TEST(ChoiceOutput, AFilterReadsThoughtsAndAnswers) {
  const std::string text = "My number is 1234.</think>It is 1234, ok";
  const model::OutputFormat thinking{.reasoning = true, .starts_in_reasoning = true};
  const auto masked = generate(text, {.format = thinking, .filter = filter_of("\\d{4}", true)});
  EXPECT_EQ(masked.output.reasoning, "My number is [x].");
  EXPECT_EQ(masked.output.content, "It is [x], ok");
  EXPECT_FALSE(masked.filtered);
  const auto stopped = generate(text, {.format = thinking, .filter = filter_of("\\d{4}", false)});
  EXPECT_EQ(stopped.output.reasoning, "My number is ");
  EXPECT_EQ(stopped.output.content, "");
  EXPECT_TRUE(stopped.filtered);
  EXPECT_LT(stopped.taken, tokenizer().encode(text).value().size());
}

// What a client has asked to stop at comes before a filter.
TEST(ChoiceOutput, AFilterReadsWhatStopStringsLeave) {
  const auto stopped =
      generate("one secret STOP two", {.stop = {"STOP"}, .filter = filter_of("secret", true)});
  EXPECT_EQ(stopped.output.content, "one [x] ");
  EXPECT_EQ(stopped.stop, "STOP");
  const auto earlier =
      generate("one secret STOP", {.stop = {"STOP"}, .filter = filter_of("secret .*", false)});
  EXPECT_EQ(earlier.output.content, "one ");
  EXPECT_TRUE(earlier.filtered) << "decided when the text had ended";
}

TEST(ChoiceOutput, InTheArgumentsOfACallAFilterOnlyStops) {
  const std::string begin = "Well<｜tool▁calls▁begin｜>",
                    call = "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"city\": \"Lima\"}<｜tool▁call▁end｜>",
                    end = "<｜tool▁calls▁end｜>";
  const model::OutputFormat calling{.tool_calls = true, .syntax = model::ToolCallSyntax::bare};
  const auto cut = generate(begin + call + end, {.format = calling, .filter = filter_of("Lima", true)});
  EXPECT_EQ(cut.output.content, "Well");
  EXPECT_EQ(calls_of(cut), "f {\"city\": \"");
  EXPECT_TRUE(cut.filtered);
  EXPECT_TRUE(cut.in_call);
  const auto whole =
      generate(begin + call + call + end, {.format = calling, .filter = filter_of("Oslo", true)});
  EXPECT_EQ(calls_of(whole), "f {\"city\": \"Lima\"}f {\"city\": \"Lima\"}");
  EXPECT_FALSE(whole.in_call);
  const auto between =
      generate(begin + call + end, {.format = calling, .filter = filter_of("Wellf|ll\\{", true)});
  EXPECT_EQ(between.output.content, "Well") << "parts are texts of their own";
  const auto only =
      generate(begin + call + call + end,
               {.format = {.tool_calls = true, .one_call = true, .syntax = model::ToolCallSyntax::bare},
                .filter = filter_of("Lima.*}", false)});
  EXPECT_TRUE(only.filtered) << "held back up to the end of the only call";
}

TEST(ChoiceOutput, AFilteredTextDoesNotDependOnItsTokens) {
  const std::string text =
      "Think: 12 34</think>Answer 1234, wörld 你好 5678.<｜tool▁calls▁begin｜>"
      "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"n\": 99}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  const auto options = [] {
    return ChoiceOutputOptions{.format = {.reasoning = true,
                                          .starts_in_reasoning = true,
                                          .tool_calls = true,
                                          .syntax = model::ToolCallSyntax::bare},
                               .filter = filter_of("\\b\\d{4}\\b|wörld 你", true)};
  };
  const auto expected = generate(text, options());
  EXPECT_EQ(expected.output.content, "Answer [x], [x]好 [x].");
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    std::vector<TokenId> tokens;
    // Markers stay whole.
    for (std::size_t at = 0; at < text.size();) {
      std::size_t size = 1 + random() % 5;
      if (text[at] == '<')
        size = text.find('>', at) + 1 - at;
      else
        size = std::min(size, std::min(text.find('<', at), text.size()) - at);
      while (at + size < text.size() && (static_cast<unsigned char>(text[at + size]) & 0xC0) == 0x80) ++size;
      const auto piece = tokenizer().encode(text.substr(at, size)).value();
      tokens.insert(tokens.end(), piece.begin(), piece.end());
      at += size;
    }
    const auto other = generate("", options(), tokenizer(), false, tokens);
    EXPECT_EQ(other.output.reasoning, expected.output.reasoning);
    EXPECT_EQ(other.output.content, expected.output.content);
    EXPECT_EQ(calls_of(other), calls_of(expected));
  }
}

}  // namespace
}  // namespace troupe::runtime
