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

bool accepts(const GrammarVocabulary& vocabulary, const GrammarSpec& spec, std::string_view text) {
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

constexpr std::string_view hermes_call =
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
constexpr std::string_view two_hermes_calls =
    "<tool_call>\n{\"name\": \"stop\", \"arguments\": {}}\n</tool_call>\n"
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";
constexpr std::string_view llama_call = R"({"name": "get_weather", "parameters": {"city": "Oslo"}})";
constexpr std::string_view two_llama_calls =
    R"({"name": "stop", "parameters": {}}; {"name": "get_weather", "parameters": {"city": "Oslo"}})";

std::string kimi_section(std::string_view calls) {
  return "<|tool_calls_section_begin|>" + std::string(calls) + "<|tool_calls_section_end|>";
}
const std::string kimi_weather =
    R"(<|tool_call_begin|>functions.get_weather:12<|tool_call_argument_begin|>{"city":"Oslo"}<|tool_call_end|>)";
const std::string kimi_call = kimi_section(kimi_weather);
const std::string two_kimi_calls = kimi_section(
    "<|tool_call_begin|>functions.stop:0<|tool_call_argument_begin|>{}<|tool_call_end|>" + kimi_weather);

TEST(ToolCallGrammar, TakesKimisWithTheirNumbers) {
  const GrammarVocabulary& vocabulary = kimi_vocabulary();
  const auto several = tool_call_grammar(ToolCallSyntax::kimi, tools, true),
             one = tool_call_grammar(ToolCallSyntax::kimi, tools, false);
  EXPECT_TRUE(accepts(vocabulary, several, kimi_call));
  EXPECT_TRUE(accepts(vocabulary, several, two_kimi_calls));
  EXPECT_TRUE(accepts(vocabulary, one, kimi_call));
  EXPECT_FALSE(accepts(vocabulary, one, two_kimi_calls));
  for (const char* number : {"", ":", ":x", ":01", ":-1", ":99999", ":1 ", "12"}) {
    std::string other = kimi_call;
    other.replace(other.find(":12"), 3, number);
    EXPECT_FALSE(accepts(vocabulary, several, other)) << number;
  }
  GrammarMatcher matcher(
      compile(vocabulary, tool_call_grammar(ToolCallSyntax::kimi, std::vector{tools[1]}, false)).value());
  EXPECT_EQ(vocabulary.tokenizer.decode(matcher.forced(64)),
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.stop:");
}

TEST(ToolCallGrammar, TakesQwensAndLlamas) {
  const GrammarVocabulary& vocabulary = qwen_llama_vocabulary();
  for (const auto& [form, call, calls] : {std::tuple{ToolCallSyntax::hermes, hermes_call, two_hermes_calls},
                                          std::tuple{ToolCallSyntax::llama, llama_call, two_llama_calls}}) {
    EXPECT_TRUE(accepts(vocabulary, tool_call_grammar(form, tools, true), call));
    EXPECT_TRUE(accepts(vocabulary, tool_call_grammar(form, tools, true), calls));
    EXPECT_TRUE(accepts(vocabulary, tool_call_grammar(form, tools, false), call));
    EXPECT_FALSE(accepts(vocabulary, tool_call_grammar(form, tools, false), calls));
    EXPECT_FALSE(accepts(vocabulary, tool_call_grammar(form, std::vector{tools[1]}, true), call));
    EXPECT_FALSE(accepts(vocabulary, tool_call_grammar(form, tools, true), "Hello"));
    EXPECT_FALSE(accepts(vocabulary, tool_call_grammar(form, tools, true), ""));
  }
}

TEST(ToolCallGrammar, ForcesWhatStandsAroundANameInJson) {
  const auto forced = [](ToolCallSyntax form, const char* name) {
    const std::vector<CallableTool> tool{{name, {}}};
    GrammarMatcher matcher(compile(qwen_llama_vocabulary(), tool_call_grammar(form, tool, false)).value());
    return qwen_llama_vocabulary().tokenizer.decode(matcher.forced(64));
  };
  // Up to the last colon: the space behind it may be of the token that begins the object.
  using testing::StartsWith;
  EXPECT_THAT(forced(ToolCallSyntax::hermes, "stop"),
              StartsWith("<tool_call>\n{\"name\": \"stop\", \"arguments\":"));
  EXPECT_THAT(forced(ToolCallSyntax::llama, "a\"b"), StartsWith(R"({"name": "a\"b", "parameters":)"));
}

// Of Llama's form it is the whole answer that is held.
TEST(ToolCallGrammar, AnAnswerOfLlamasIsCallsOrAText) {
  const GrammarVocabulary& vocabulary = qwen_llama_vocabulary();
  const auto spec = free_call_grammar(ToolCallSyntax::llama, tools, true, false);
  for (const std::string_view text : {llama_call, two_llama_calls, std::string_view("Hello {\n"),
                                      std::string_view(""), std::string_view("\n 1 {}")})
    EXPECT_TRUE(accepts(vocabulary, spec, text)) << text;
  for (const std::string_view text :
       {R"({"name": "no such", "parameters": {}})", R"( {"name": "stop", "parameters": {}})", "{}",
        "Hello <|python_tag|>{", R"({"name": "get_weather", "parameters": {"town": "Oslo"}})"})
    EXPECT_FALSE(accepts(vocabulary, spec, text)) << text;
  EXPECT_TRUE(compile(demo_vocabulary(), spec));
  EXPECT_FALSE(compile(vocabulary, free_call_grammar(ToolCallSyntax::llama, tools, true, true)));
}

TEST(ToolCallGrammar, ATextOfLlamasDoesNotSpellTheTag) {
  const GrammarVocabulary& vocabulary = qwen_llama_vocabulary();
  GrammarMatcher matcher(
      compile(vocabulary, free_call_grammar(ToolCallSyntax::llama, tools, true, false)).value());
  const std::string text = "So <|python_tag|>";
  const ByteRange plain{0, text.size()};
  const auto letters = vocabulary.tokenizer.encode(text, {&plain, 1}).value();
  for (const TokenId token : std::span(letters).first(letters.size() - 1)) ASSERT_TRUE(matcher.accept(token));
  EXPECT_FALSE(matcher.accept(letters.back()));
}

TEST(ToolCallGrammar, TakesEachForm) {
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
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
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    GrammarMatcher matcher(
        compile(*vocabulary, tool_call_grammar(ToolCallSyntax::bare, tools, true)).value());
    EXPECT_THAT(allowed_tokens(matcher, vocabulary->size),
                testing::ElementsAre(*vocabulary->tokenizer.id_of_added("<｜tool▁calls▁begin｜>")));
  }
}

TEST(ToolCallGrammar, ForcesMarkersAndTheNameOfTheOnlyTool) {
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
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

TEST(ToolCallGrammar, OfALongNameItTellsTheBeginning) {
  const std::vector<CallableTool> broken{{std::string(10'000, 'n'), Json::parse(R"({"type":"text"})")}};
  const auto grammar = compile(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, broken, true));
  ASSERT_FALSE(grammar);
  EXPECT_LT(grammar.error().message.size(), 400u);
  EXPECT_THAT(grammar.error().message, testing::HasSubstr(std::string(64, 'n') + "..."));
}

TEST(ToolCallGrammar, NamesTheToolWhoseParametersAreAtFault) {
  const std::vector<CallableTool> broken{tools[0],
                                         {"broken", Json::parse(R"({"properties":{"a":{"type":"text"}}})")}};
  const auto grammar = compile(demo_vocabulary(), tool_call_grammar(ToolCallSyntax::bare, broken, true));
  ASSERT_FALSE(grammar);
  EXPECT_THAT(grammar.error().message,
              testing::AllOf(testing::HasSubstr("/properties/a"), testing::HasSubstr("tool broken")));
}

// Where an argument is wanted, of a tool that takes text.
GrammarMatcher in_argument(const GrammarVocabulary& vocabulary, ToolCallSyntax form) {
  GrammarMatcher matcher(compile(vocabulary, tool_call_grammar(form, tools, true)).value());
  const std::string_view before = form == ToolCallSyntax::dsml     ? dsml_call
                                  : form == ToolCallSyntax::hermes ? hermes_call
                                  : form == ToolCallSyntax::kimi   ? std::string_view(kimi_call)
                                                                   : bare_call;
  for (const TokenId token : vocabulary.tokens_of(before.substr(0, before.find("Oslo"))))
    EXPECT_TRUE(matcher.accept(token));
  return matcher;
}

// The output's parser reads letters: it would take these for the end of the call.
TEST(ToolCallGrammar, LettersDoNotEndAnArgument) {
  for (const auto& [form, vocabulary, marker] :
       {std::tuple{ToolCallSyntax::bare, &demo_vocabulary(), "<｜tool▁call▁end｜>"},
        std::tuple{ToolCallSyntax::bare, &deepseek_vocabulary(), "<｜tool▁call▁end｜>"},
        std::tuple{ToolCallSyntax::hermes, &qwen_llama_vocabulary(), "</tool_call>"},
        std::tuple{ToolCallSyntax::kimi, &kimi_vocabulary(), "<|tool_call_end|>"},
        std::tuple{ToolCallSyntax::dsml, &dsml_vocabulary(), "｜DSML｜"}}) {
    GrammarMatcher matcher = in_argument(*vocabulary, form);
    EXPECT_FALSE(matcher.accept(*vocabulary->tokenizer.id_of_added(marker)));
    const std::string text = marker;
    const ByteRange plain{0, text.size()};
    const auto letters = vocabulary->tokenizer.encode(text, {&plain, 1}).value();
    for (const TokenId token : std::span(letters).first(letters.size() - 1))
      ASSERT_TRUE(matcher.accept(token));
    const auto allowed = allowed_tokens(matcher, vocabulary->size);
    EXPECT_FALSE(std::ranges::binary_search(allowed, letters.back()));
    EXPECT_FALSE(matcher.accept(letters.back()));
    if (form == ToolCallSyntax::dsml) continue;  // its last letter is several tokens
    EXPECT_TRUE(matcher.accept(vocabulary->tokens_of("x").front()));
    EXPECT_TRUE(matcher.accept(letters.back())) << "by itself it ends nothing";
  }
}

// In the strings that the engine takes any bytes for, too.
TEST(ToolCallGrammar, ControlTokensAreNoArguments) {
  for (const ToolCallSyntax form : {ToolCallSyntax::bare, ToolCallSyntax::dsml}) {
    GrammarMatcher matcher = in_argument(dsml_vocabulary(), form);
    for (const TokenId token : allowed_tokens(matcher, dsml_vocabulary().size))
      EXPECT_FALSE(dsml_vocabulary().tokenizer.is_added(token)) << token;
  }
  GrammarMatcher matcher = in_argument(dsml_vocabulary(), ToolCallSyntax::dsml);
  for (const TokenId token : dsml_vocabulary().tokens_of("Ös<lo</a>\n\"q\""))
    EXPECT_TRUE(matcher.accept(token));
}

TEST(ToolCallGrammar, NoArgumentIsAMarker) {
  for (const auto& [form, vocabulary, marker] :
       {std::tuple{ToolCallSyntax::bare, &demo_vocabulary(), "<｜tool▁call▁end｜>"},
        std::tuple{ToolCallSyntax::hermes, &qwen_llama_vocabulary(), "</tool_call>"},
        std::tuple{ToolCallSyntax::kimi, &kimi_vocabulary(), "<|tool_call_end|>"},
        std::tuple{ToolCallSyntax::dsml, &dsml_vocabulary(), "</｜DSML｜parameter>"}}) {
    const std::string value = std::string("a") + marker + "b";
    const std::vector<CallableTool> asking{
        {"f", Json{{"type", "object"}, {"properties", {{"a", {{"enum", {value, "c"}}}}}}}}};
    const auto grammar = compile(*vocabulary, tool_call_grammar(form, asking, true));
    ASSERT_FALSE(grammar);
    EXPECT_THAT(grammar.error().message,
                testing::AllOf(testing::HasSubstr("tool f"), testing::Not(testing::HasSubstr(marker))));
  }
}

TEST(ToolCallGrammar, ACallOfDeepSeeksLastFormIsForced) {
  const GrammarVocabulary& vocabulary = dsml_vocabulary();
  EXPECT_TRUE(accepts(vocabulary, tool_call_grammar(ToolCallSyntax::dsml, tools, true), dsml_call));
  GrammarMatcher matcher(
      compile(vocabulary, tool_call_grammar(ToolCallSyntax::dsml, std::vector{tools[0]}, false)).value());
  EXPECT_THAT(vocabulary.tokenizer.decode(matcher.forced(64)),
              testing::StartsWith("<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather"));
}

}  // namespace
}  // namespace troupe::model
