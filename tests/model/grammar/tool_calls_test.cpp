#include "model/grammar/tool_calls.hpp"

#include <gmock/gmock.h>

#include "tests/model/grammar/random_walk.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<CallableTool> tools{
    {"get_weather",
     Json::parse(
         R"({"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]})")},
    {"stop", {}},
};

bool accepts(const Vocabulary& vocabulary, const GrammarSpec& spec, std::string_view text) {
  GrammarMatcher matcher(compile(vocabulary, spec).value());
  for (const TokenId token : vocabulary.tokens_of(text))
    if (!matcher.accept(token)) return false;
  return matcher.complete();
}

constexpr std::string_view bare_call =
    R"(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city":"Oslo"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>)";
constexpr std::string_view two_bare_calls =
    R"(<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city":"Oslo"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>)";
constexpr std::string_view two_fenced_calls =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>stop\n```json\n{}\n```<｜tool▁call▁end｜>\n"
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Oslo\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
constexpr std::string_view dsml_call =
    "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter name=\"city\" "
    "string=\"true\">Oslo</｜DSML｜parameter></｜DSML｜invoke>\n</｜DSML｜function_calls>";

TEST(ToolCallGrammar, TakesEachForm) {
  for (const Vocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    EXPECT_TRUE(accepts(*vocabulary, tool_call_grammar(ToolCallSyntax::bare, tools, true), bare_call));
    EXPECT_TRUE(accepts(*vocabulary, tool_call_grammar(ToolCallSyntax::bare, tools, true), two_bare_calls));
    EXPECT_TRUE(
        accepts(*vocabulary, tool_call_grammar(ToolCallSyntax::fenced, tools, true), two_fenced_calls));
    EXPECT_TRUE(accepts(*vocabulary, tool_call_grammar(ToolCallSyntax::dsml, tools, true), dsml_call));
  }
}

TEST(ToolCallGrammar, OneCallIsOne) {
  EXPECT_TRUE(accepts(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, tools, false), bare_call));
  EXPECT_FALSE(
      accepts(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, tools, false), two_bare_calls));
}

TEST(ToolCallGrammar, ANamedToolIsTheOnlyOne) {
  const std::vector<CallableTool> named{tools[1]};
  EXPECT_FALSE(accepts(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, named, true), bare_call));
}

TEST(ToolCallGrammar, NothingElseCanBeSaid) {
  for (const ToolCallSyntax form : {ToolCallSyntax::bare, ToolCallSyntax::fenced, ToolCallSyntax::dsml})
    EXPECT_FALSE(accepts(demo_vocabulary(), tool_call_grammar(form, tools, true), "Hello"));
}

// Markers come as the tokens that they are, never spelled out.
TEST(ToolCallGrammar, BeginsWithTheMarkersToken) {
  for (const Vocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    GrammarMatcher matcher(
        compile(*vocabulary, tool_call_grammar(ToolCallSyntax::bare, tools, true)).value());
    EXPECT_THAT(allowed_tokens(matcher, vocabulary->size),
                testing::ElementsAre(*vocabulary->tokenizer.id_of_added("<｜tool▁calls▁begin｜>")));
  }
}

TEST(ToolCallGrammar, ForcesMarkersAndTheNameOfTheOnlyTool) {
  for (const Vocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    const auto forced = [&](ToolCallSyntax form) {
      GrammarMatcher matcher(
          compile(*vocabulary, tool_call_grammar(form, std::vector{tools[1]}, false)).value());
      return matcher.forced(64);
    };
    EXPECT_EQ(forced(ToolCallSyntax::bare),
              vocabulary->tokens_of("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>stop<｜tool▁sep｜>"));
    EXPECT_EQ(forced(ToolCallSyntax::fenced),
              vocabulary->tokens_of(
                  "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>stop\n```json\n"));
  }
}

TEST(ToolCallGrammar, ArgumentsOfRandomCallsAreAsTheSchemaSays) {
  const auto grammar =
      compile(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, std::vector{tools[0]}, true))
          .value();
  const std::string begin = "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>", end = "<｜tool▁call▁end｜>";
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Walk walk = random_walk(demo_vocabulary(), grammar, seed);
    ASSERT_TRUE(walk.ended) << walk.text;
    for (std::size_t at = walk.text.find(begin); at != std::string::npos;
         at = walk.text.find(begin, at + 1)) {
      const std::size_t first = at + begin.size();
      const Json arguments = Json::parse(walk.text.substr(first, walk.text.find(end, at) - first));
      EXPECT_TRUE(arguments.at("city").is_string());
      EXPECT_TRUE(!arguments.contains("days") || arguments["days"].is_number_integer());
      EXPECT_LE(arguments.size(), 2u);
    }
  }
}

TEST(ToolCallGrammar, NamesTheToolWhoseParametersAreAtFault) {
  const std::vector<CallableTool> broken{tools[0],
                                         {"broken", Json::parse(R"({"properties":{"a":{"type":"text"}}})")}};
  const auto grammar = compile(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, broken, true));
  ASSERT_FALSE(grammar);
  EXPECT_THAT(grammar.error().message,
              testing::AllOf(testing::HasSubstr("/properties/a"), testing::HasSubstr("tool broken")));
}

}  // namespace
}  // namespace troupe::model
