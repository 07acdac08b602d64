#include "model/grammar/grammar_compiler.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "model/grammar/grammar_limits.hpp"
#include "model/grammar/regex_check.hpp"
#include "model/grammar/schema_rewrite.hpp"
#include "tests/model/grammar/vocabularies.hpp"

namespace troupe::model {
namespace {

using Kind = GrammarSpec::Kind;
using testing::HasSubstr;

Refusal refusal_of(const Vocabulary& vocabulary, const GrammarSpec& spec, Duration timeout = std::chrono::minutes(5)) {
  const auto grammar = compile(vocabulary, spec, timeout);
  EXPECT_FALSE(grammar);
  return grammar ? Refusal{} : grammar.error();
}

std::string fault_of(Kind kind, std::string text) {
  return refusal_of(demo_vocabulary(), {.kind = kind, .text = std::move(text)}).message;
}

TEST(GrammarCompiler, SaysWhereASchemaIsAtFault) {
  const auto fault = [](const char* schema) { return fault_of(Kind::json_schema, schema); };
  EXPECT_THAT(fault(R"({"type":"text"})"), HasSubstr("the root of the schema"));
  EXPECT_THAT(fault(R"({"properties":{"a":{"items":{"type":"text"}}}})"), HasSubstr("/properties/a/items of"));
  EXPECT_THAT(fault(R"({"$defs":{"x":{"type":7}},"$ref":"#/$defs/x"})"), HasSubstr("/$defs/x of"));
  EXPECT_THAT(fault(R"({"properties":{"a":{"$ref":"#/$defs/none"}}})"), HasSubstr("/properties/a of"));
  EXPECT_THAT(fault(R"({"properties":{"a":{"type":"integer","minimum":3,"maximum":1}},"required":["a"]})"),
              HasSubstr("/properties/a of"));
  EXPECT_THAT(fault(R"({"properties":{"a":{"anyOf":[true,{"pattern":"(?=x)"}]}}})"), HasSubstr("/properties/a/anyOf/1 of"));
}

// What the engine would leave out, an answer could break.
TEST(GrammarCompiler, RefusesWhatTheEngineWouldLeaveOut) {
  for (const char* schema : {
           R"({"type":"array","uniqueItems":true})",
           R"({"type":"array","contains":{"type":"integer"}})",
           R"({"type":"number","multipleOf":0.5})",
           R"({"not":{"type":"integer"}})",
           R"({"if":{"type":"integer"},"then":{"minimum":3}})",
           R"({"type":"object","properties":{"a":{"type":"integer"}},"dependentRequired":{"a":["b"]}})",
           R"({"oneOf":[{"type":"integer"},{"type":"number"}]})",
           R"({"$ref":"https://example.org/schema"})",
           R"({"type":"string","pattern":"^a$","maxLength":3})",
           R"({"enum":["abc","d"],"maxLength":1})",
           R"({"allOf":[{"type":"integer"},{"type":"string"}]})",
           R"({"anyOf":[{"const":1}],"oneOf":[{"const":1}]})",
       })
    EXPECT_THAT(fault_of(Kind::json_schema, schema), HasSubstr("cannot be used")) << schema;
}

TEST(GrammarCompiler, SaysWhereARegexOrAGrammarIsAtFault) {
  EXPECT_THAT(fault_of(Kind::regex, "abc("), HasSubstr("parenthesis is not closed"));
  EXPECT_THAT(fault_of(Kind::regex, "ab\\1"), HasSubstr("position 3"));
  EXPECT_THAT(fault_of(Kind::regex, "a^b"), HasSubstr("position 2"));
  EXPECT_THAT(fault_of(Kind::regex, "a(?=b)"), HasSubstr("position 4"));
  EXPECT_THAT(fault_of(Kind::regex, "\\Aab"), HasSubstr("position 1"));
  EXPECT_THAT(fault_of(Kind::ebnf, "root ::= \"a\"\nroot2 := "), HasSubstr("line 2"));
  EXPECT_THAT(fault_of(Kind::ebnf, "start ::= \"a\""), HasSubstr("root"));
}

TEST(GrammarCompiler, RefusesWhatIsNotJson) {
  EXPECT_THAT(fault_of(Kind::json_schema, "{\"a\" 1}"), HasSubstr("byte 6"));
  EXPECT_THAT(fault_of(Kind::json_schema, ""), HasSubstr("not JSON"));
  EXPECT_THAT(fault_of(Kind::json_schema, "\"\xff\""), HasSubstr("not JSON"));
  for (const char* choices : {"{}", "[]", "[1]", "[\"\"]", "\"a\""})
    EXPECT_THAT(fault_of(Kind::choice, choices), HasSubstr("list of texts"));
}

TEST(GrammarCompiler, RefusesWhatMatchesNothing) {
  EXPECT_THAT(fault_of(Kind::json_schema, "false"), HasSubstr("cannot be used"));
  EXPECT_THAT(fault_of(Kind::ebnf, "root ::= root \"a\""), HasSubstr("matches no text"));
}

TEST(GrammarCompiler, RefusesAMarkerThatTheTokenizerDoesNotHave) {
  const Refusal refusal = refusal_of(demo_vocabulary(), {.kind = Kind::json_object, .after = "</reasoning>"});
  EXPECT_THAT(refusal.message, HasSubstr("no token"));
}

TEST(GrammarCompiler, BoundsTheTextOfAGrammar) {
  const std::string large = "{\"description\":\"" + std::string(10 << 20, 'x') + "\"}";
  EXPECT_EQ(refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = large}).code, "grammar_too_large");
  std::string longest = "{\"description\":\"\"}";
  longest.insert(16, max_grammar_bytes - longest.size(), 'x');
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::json_schema, .text = longest}));
}

TEST(GrammarCompiler, BoundsTheValuesOfASchema) {
  nlohmann::json branches = nlohmann::json::array();
  for (std::size_t i = 0; i < max_grammar_nodes; ++i) branches.push_back(i);
  const std::string text = nlohmann::json{{"enum", branches}}.dump();
  EXPECT_EQ(refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = text}).code, "grammar_too_large");
}

TEST(GrammarCompiler, BoundsTheDepthOfASchema) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"items\":";
  EXPECT_EQ(refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = deep}).code, "grammar_too_large");
  std::string nested = "true";
  for (int i = 0; i <= max_schema_depth + 1; ++i) nested = R"({"type":"array","items":)" + nested + "}";
  EXPECT_THAT(fault_of(Kind::json_schema, nested), HasSubstr("too large"));
}

// References that each stand for two of the next, with a condition beside them, would be written out as 2^60.
TEST(GrammarCompiler, BoundsWhatReferencesGrowTo) {
  nlohmann::json schema{{"$ref", "#/$defs/n0"}, {"type", "object"}};
  for (int i = 0; i < 60; ++i) {
    const nlohmann::json next{{"$ref", "#/$defs/n" + std::to_string(i + 1)}, {"type", "object"}};
    schema["$defs"]["n" + std::to_string(i)] = {{"properties", {{"a", next}, {"b", next}}}};
  }
  schema["$defs"]["n60"] = {{"type", "object"}};
  EXPECT_THAT(fault_of(Kind::json_schema, schema.dump()), HasSubstr("too large"));
}

TEST(GrammarCompiler, BoundsRepetitions) {
  const std::string most = std::to_string(max_regex_repetition), more = std::to_string(max_regex_repetition + 1);
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::regex, .text = "[0-9]{1," + most + "}"}));
  EXPECT_THAT(fault_of(Kind::regex, "[0-9]{1," + more + "}"), HasSubstr("position 6 of the regex"));
  EXPECT_THAT(fault_of(Kind::regex, "a{99999999999999999999}"), HasSubstr("repetitions"));
  EXPECT_THAT(fault_of(Kind::regex, "((a{1,100}){1,100}){1,100}"), HasSubstr("written out"));
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"pattern":"^(.{0,100}){0,100}$"})"), HasSubstr("written out"));
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"maxLength":)" + std::to_string(max_schema_string + 1) + "}"),
              HasSubstr("maxLength"));
}

// 10,000 branches, and a regex that is small and takes minutes: each is over in time.
TEST(GrammarCompiler, EndsWhatTakesTooLong) {
  constexpr Duration timeout = std::chrono::milliseconds(200), slack = std::chrono::seconds(20);
  nlohmann::json branches = nlohmann::json::array();
  for (int i = 0; i < 9'000; ++i) branches.push_back({{"const", "branch " + std::to_string(i)}});
  const std::vector<GrammarSpec> specs{
      {.kind = Kind::json_schema, .text = nlohmann::json{{"anyOf", branches}}.dump()},
      {.kind = Kind::regex, .text = "(.{0,16}){0,10}"},
      {.kind = Kind::regex, .text = "(.*a.*b.*c.*){0,60}(.*d.*){0,60}"},
  };
  for (const GrammarSpec& spec : specs) {
    const TimePoint begin = now();
    EXPECT_EQ(refusal_of(deepseek_vocabulary(), spec, timeout).code, "grammar_compile_timeout") << spec.text.substr(0, 40);
    EXPECT_LT(now() - begin, timeout + slack);
  }
  EXPECT_TRUE(compile(deepseek_vocabulary(), {.kind = Kind::choice, .text = R"(["a","b"])"})) << "the deadline is gone";
}

}  // namespace
}  // namespace troupe::model
