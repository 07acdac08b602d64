#include "model/grammar/grammar_compiler.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "model/grammar/grammar_limits.hpp"
#include "model/grammar/grammar_matcher.hpp"
#include "model/grammar/regex_check.hpp"
#include "model/grammar/schema_rewrite.hpp"
#include "tests/model/grammar/vocabularies.hpp"

namespace troupe::model {
namespace {

using Kind = GrammarSpec::Kind;
using testing::AllOf;
using testing::HasSubstr;

Refusal refusal_of(const GrammarVocabulary& vocabulary, const GrammarSpec& spec,
                   Duration timeout = std::chrono::minutes(5)) {
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
  EXPECT_THAT(fault(R"({"properties":{"a":{"items":{"type":"text"}}}})"),
              HasSubstr("/properties/a/items of"));
  EXPECT_THAT(fault(R"({"$defs":{"x":{"type":7}},"$ref":"#/$defs/x"})"), HasSubstr("/$defs/x of"));
  EXPECT_THAT(fault(R"({"properties":{"a":{"$ref":"#/$defs/none"}}})"), HasSubstr("/properties/a of"));
  EXPECT_THAT(fault(R"({"properties":{"a":{"type":"integer","minimum":3,"maximum":1}},"required":["a"]})"),
              HasSubstr("/properties/a of"));
  EXPECT_THAT(fault(R"s({"properties":{"a":{"anyOf":[true,{"pattern":"(?=x)"}]}}})s"),
              HasSubstr("/properties/a/anyOf/1 of"));
}

// A message may name what is at fault, and does not repeat what a client sent beyond that.
TEST(GrammarCompiler, FaultsQuoteLittleAndWholeCharacters) {
  std::string name;
  for (int i = 0; i < 5000; ++i) name += "ä";
  for (const char* before : {"", "a", "ab"}) {
    const nlohmann::json broken = {{"properties", {{before + name, {{"type", "text"}}}}}},
                         missing = {{"properties", nlohmann::json::object()},
                                    {"required", {before + name}},
                                    {"additionalProperties", false}};
    for (const nlohmann::json& schema : {broken, missing}) {
      const std::string fault = fault_of(Kind::json_schema, schema.dump());
      EXPECT_LT(fault.size(), 400u);
      EXPECT_NO_THROW(nlohmann::json(fault).dump()) << fault;  // which is UTF-8
    }
  }
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
           R"({"allOf":[{"not":{"type":"integer"}}]})",
           R"({"allOf":[{"type":"array"},{"uniqueItems":true}]})",
           R"({"anyOf":[{"const":1}],"oneOf":[{"const":1}]})",
           R"({"$dynamicRef":"#a"})",
           R"({"type":"array","items":{"$recursiveRef":"#"}})",
           R"({"patternProperties":{"^x":{"type":"null"}},"required":["xa"]})",
           R"({"patternProperties":{"^x":{"type":"null"}},"required":["q"],"additionalProperties":false})",
           R"({"properties":{"ab":{"type":"string"}},"patternProperties":{"^ab$":{"maxLength":1}}})",
           R"({"properties":{"ab":{"type":"string"}},"patternProperties":{"b":{"maxLength":1}}})",
           R"({"properties":{"a":{"type":"string"}},"patternProperties":{"^ab*":{"maxLength":1}}})",
           R"({"properties":{"c":{"type":"string"}},"patternProperties":{"^ab|^c":{"maxLength":1}}})",
           R"({"patternProperties":{"^a":{"type":"integer"},"^ab":{"minimum":5}}})",
           R"({"properties":{"abc":{"type":"null"}},"propertyNames":{"maxLength":2}})",
           R"({"required":["abc"],"propertyNames":{"maxLength":2}})",
           R"({"patternProperties":{"^a":{"type":"null"}},"propertyNames":{"maxLength":2}})",
       })
    EXPECT_THAT(fault_of(Kind::json_schema, schema), HasSubstr("cannot be used")) << schema;
}

TEST(GrammarCompiler, ItemsThatNeedNotDifferAreNoFault) {
  for (const char* schema :
       {R"({"type":"array","uniqueItems":false})", R"({"allOf":[{"type":"array"},{"uniqueItems":false}]})",
        R"({"enum":[[1]],"uniqueItems":false})"}) {
    const auto grammar = compile(demo_vocabulary(), {.kind = Kind::json_schema, .text = schema});
    EXPECT_TRUE(grammar) << grammar.error().message;
  }
}

TEST(GrammarCompiler, PatternsOfPropertiesThatCannotMeetAreKept) {
  const GrammarSpec spec{
      .kind = Kind::json_schema,
      .text = R"({"properties":{"id":{"type":"integer"}},"required":["id"],"patternProperties":
          {"^S_":{"type":"null"},"^I_[0-9]":{"type":"integer"}},"additionalProperties":{"type":"boolean"}})",
      .any_whitespace = false};
  const auto grammar = compile(demo_vocabulary(), spec);
  ASSERT_TRUE(grammar) << grammar.error().message;
  const auto accepts = [&](const char* text) {
    GrammarMatcher matcher(*grammar);
    for (const TokenId token : demo_vocabulary().tokens_of(text))
      if (!matcher.accept(token)) return false;
    return matcher.complete();
  };
  EXPECT_TRUE(accepts(R"({"id": 1, "S_": null, "I_2": 3})"));
  EXPECT_FALSE(accepts(R"({"S_": null})"));
  EXPECT_FALSE(accepts(R"({"id": 1, "I_2": null})"));
  EXPECT_FALSE(accepts(R"({"id": 1, "I_2": true})")) << "as one of the others, which it is not";
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

TEST(GrammarCompiler, RefusesWhatRequiresItselfWithoutEnd) {
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"properties":{"next":{"$ref":"#"}},"required":["next"]})"),
              HasSubstr("the root of the schema requires itself without end"));
}

// The engine's own words are of one that goes on.
TEST(GrammarCompiler, ARefusalDoesNotSayWhatItWouldHaveDone) {
  for (const char* schema : {R"({"oneOf":[{"type":"string"},{"pattern":"a+","type":"string"}]})",
                             R"({"type":"number","multipleOf":0.3})"}) {
    const std::string fault = fault_of(Kind::json_schema, schema);
    EXPECT_THAT(fault, HasSubstr("cannot be used"));
    for (const char* word : {"falling back", "ignor"}) EXPECT_EQ(fault.find(word), fault.npos) << fault;
  }
}

TEST(GrammarCompiler, RefusesAMarkerThatTheTokenizerDoesNotHave) {
  const Refusal refusal = refusal_of(demo_vocabulary(), {.kind = Kind::json_object, .after = "</reasoning>"});
  EXPECT_THAT(refusal.message, HasSubstr("no token"));
}

TEST(GrammarCompiler, BoundsTheTextOfAGrammar) {
  const std::string large = "{\"description\":\"" + std::string(10 << 20, 'x') + "\"}";
  EXPECT_EQ(refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = large}).code,
            "grammar_too_large");
  std::string longest = "{\"description\":\"\"}";
  longest.insert(16, max_grammar_bytes - longest.size(), 'x');
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::json_schema, .text = longest}));
}

TEST(GrammarCompiler, BoundsTheValuesOfASchema) {
  nlohmann::json branches = nlohmann::json::array();
  for (std::size_t i = 0; i < max_grammar_nodes; ++i) branches.push_back(i);
  const std::string text = nlohmann::json{{"enum", branches}}.dump();
  EXPECT_EQ(refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = text}).code,
            "grammar_too_large");
}

// Which are searched for each new one. The schema may be a text within a request, whose own limits do not hold for it.
TEST(GrammarCompiler, BoundsTheKeysOfASchemasObjects) {
  const auto keys = [](int count) {
    std::string text = "{\"description\":{";
    for (int i = 0; i < count; ++i) text += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":0";
    return text + "}}";
  };
  const Refusal refusal = refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = keys(10'000)});
  EXPECT_EQ(refusal.code, "grammar_too_large");
  EXPECT_THAT(refusal.message, HasSubstr("too many keys"));
  EXPECT_TRUE(check_limits({.kind = Kind::json_schema, .text = keys(5'000)}));
}

TEST(GrammarCompiler, BoundsTheDepthOfASchema) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"items\":";
  EXPECT_EQ(refusal_of(demo_vocabulary(), {.kind = Kind::json_schema, .text = deep}).code,
            "grammar_too_large");
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

// Conditions beside many alternatives would be written out for each.
TEST(GrammarCompiler, BoundsWhatCombinationsGrowTo) {
  nlohmann::json schema{{"type", "object"}};
  for (int i = 0; i < 4'000; ++i) {
    schema["properties"]["p" + std::to_string(i)] = true;
    schema["anyOf"].push_back({{"required", {"p" + std::to_string(i)}}});
  }
  EXPECT_THAT(fault_of(Kind::json_schema, schema.dump()), HasSubstr("too large"));
  schema["allOf"] = std::exchange(schema["anyOf"], {});
  schema.erase("anyOf");
  EXPECT_THAT(fault_of(Kind::json_schema, schema.dump()), HasSubstr("too large"));
}

std::string in_parentheses(int n, const std::string& text) {
  return std::string(std::size_t(n), '(') + text + std::string(std::size_t(n), ')');
}

// The engine reads them by recursion.
TEST(GrammarCompiler, BoundsParentheses) {
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::regex, .text = in_parentheses(200, "a")}));
  for (const int n : {max_parentheses + 1, 200'000}) {
    const std::string deep = in_parentheses(n, "a");
    EXPECT_THAT(fault_of(Kind::regex, deep), HasSubstr("parentheses"));
    EXPECT_THAT(fault_of(Kind::json_schema, nlohmann::json{{"pattern", deep}}.dump()),
                HasSubstr("parentheses"));
    EXPECT_THAT(fault_of(Kind::ebnf, "root ::= Regex(\"" + deep + "\")"), HasSubstr("parentheses"));
    EXPECT_THAT(fault_of(Kind::ebnf, "root ::= " + in_parentheses(n, "\"a\"")), HasSubstr("parentheses"));
  }
}

// Schemas that are small as long as nobody combines what they refer to.
TEST(GrammarCompiler, BoundsWhatCombinedReferencesGrowTo) {
  const auto node = [](const std::string& to) {
    const nlohmann::json next{{"$ref", "#/$defs/" + to}};
    return nlohmann::json{{"type", "object"}, {"properties", {{"p", next}, {"q", next}}}};
  };
  const auto both_of = [](const nlohmann::json& definitions) {
    return nlohmann::json{{"$defs", definitions},
                          {"allOf", {{{"$ref", "#/$defs/a0"}}, {{"$ref", "#/$defs/b0"}}}}}
        .dump();
  };
  EXPECT_THAT(fault_of(Kind::json_schema, both_of({{"a0", node("a0")}, {"b0", node("b0")}})),
              HasSubstr("too large"));
  nlohmann::json chains;
  for (const std::string chain : {"a", "b"}) {
    for (int i = 0; i < 40; ++i) chains[chain + std::to_string(i)] = node(chain + std::to_string(i + 1));
    chains[chain + "40"] = {{"type", "object"}, {"properties", {{chain, {{"type", "string"}}}}}};
  }
  EXPECT_THAT(fault_of(Kind::json_schema, both_of(chains)), HasSubstr("too large"));
}

// A schema that combines itself is no property of itself, so that no nesting ends it.
TEST(GrammarCompiler, BoundsSchemasThatCombineThemselves) {
  const auto fault = [](const char* schema) { return fault_of(Kind::json_schema, schema); };
  for (const char* schema :
       {R"({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}})",
        R"({"$ref":"#/$defs/a","type":"object","$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}})",
        R"({"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"$ref":"#/$defs/a"}}})"})
    EXPECT_THAT(fault(schema), HasSubstr("too large")) << schema;
  EXPECT_THAT(fault(R"({"allOf":5})"), HasSubstr("cannot be used"));
}

// Each of which would keep the definitions that stand beside it.
TEST(GrammarCompiler, BoundsChainsOfCombinations) {
  const auto chain = [](int length) {
    nlohmann::json schema{{"allOf", {{{"$ref", "#/$defs/a0"}}}}};
    for (int i = 0; i < length; ++i)
      schema["$defs"]["a" + std::to_string(i)] = {
          {"allOf", {{{"$ref", "#/$defs/a" + std::to_string(i + 1)}}}}};
    schema["$defs"]["a" + std::to_string(length)] = {{"type", "integer"}};
    return schema.dump();
  };
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::json_schema, .text = chain(max_schema_depth - 1)}));
  for (const int length : {max_schema_depth + 1, 3'900})
    EXPECT_THAT(fault_of(Kind::json_schema, chain(length)), HasSubstr("too large"));
}

TEST(GrammarCompiler, BoundsChainsOfReferences) {
  const auto chain = [](int length) {
    nlohmann::json schema{{"$ref", "#/$defs/a1"}, {"type", "integer"}};
    for (int i = 1; i < length; ++i)
      schema["$defs"]["a" + std::to_string(i)] = {{"$ref", "#/$defs/a" + std::to_string(i + 1)}};
    schema["$defs"]["a" + std::to_string(length)] = {{"minimum", 3}};
    return schema.dump();
  };
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::json_schema, .text = chain(max_reference_chain)}));
  EXPECT_THAT(fault_of(Kind::json_schema, chain(max_reference_chain + 1)), HasSubstr("too large"));
}

nlohmann::json numbered_names(int count) {
  nlohmann::json list = nlohmann::json::array();
  for (int i = 0; i < count; ++i) list.push_back("a" + std::to_string(i));
  return list;
}

// Names in lists are no keys, and become some.
TEST(GrammarCompiler, BoundsWhatIsRequired) {
  nlohmann::json schema{{"type", "object"}, {"required", numbered_names(19'000)}};
  EXPECT_THAT(fault_of(Kind::json_schema, schema.dump()), HasSubstr("too large"));
  schema["required"] = numbered_names(5'000);
  schema["additionalProperties"]["enum"] = numbered_names(10'000);
  EXPECT_THAT(fault_of(Kind::json_schema, schema.dump()), HasSubstr("too large"));
  nlohmann::json of_both{{"type", "object"}};
  for (const int count : {9'000, 9'001}) of_both["allOf"].push_back({{"required", numbered_names(count)}});
  EXPECT_THAT(fault_of(Kind::json_schema, of_both.dump()), HasSubstr("too large"));
}

// Which is copied for each schema that is combined with it.
TEST(GrammarCompiler, BoundsWhatLongTextsGrowTo) {
  nlohmann::json schema;
  for (int i = 0; i < 5'000; ++i) schema["allOf"].push_back({{"$ref", "#/$defs/a"}});
  schema["$defs"]["a"] = {{"type", "string"}, {"pattern", std::string(500'000, 'x')}};
  EXPECT_THAT(fault_of(Kind::json_schema, schema.dump()), HasSubstr("too large"));
}

TEST(GrammarCompiler, AnIntegerIsOneHoweverItIsWritten) {
  for (const char* schema : {R"({"type":"integer","const":1.0})", R"({"type":"integer","enum":[1.0,2.0]})",
                             R"({"type":"string","minLength":1.0,"maxLength":3.0})"}) {
    const auto grammar = compile(demo_vocabulary(), {.kind = Kind::json_schema, .text = schema});
    EXPECT_TRUE(grammar) << grammar.error().message;
  }
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"type":"integer","const":1.5})"),
              HasSubstr("no value of its type"));
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"maxLength":1.5})"), HasSubstr("whole number"));
}

TEST(GrammarCompiler, SaysWhatIsNoNumberAndWhatNothingFits) {
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"minimum":1e400})"), HasSubstr("a number in it is too large"));
  for (const char* empty : {"anyOf", "oneOf", "enum", "type"})
    EXPECT_THAT(fault_of(Kind::json_schema,
                         nlohmann::json{{"properties", {{"a", {{empty, nlohmann::json::array()}}}}}}.dump()),
                AllOf(HasSubstr("/properties/a of"), HasSubstr(empty)));
}

TEST(GrammarCompiler, BoundsRepetitions) {
  const std::string most = std::to_string(max_regex_repetition),
                    more = std::to_string(max_regex_repetition + 1);
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::regex, .text = "[0-9]{1," + most + "}"}));
  EXPECT_THAT(fault_of(Kind::regex, "[0-9]{1," + more + "}"), HasSubstr("position 6 of the regex"));
  EXPECT_THAT(fault_of(Kind::regex, "a{99999999999999999999}"), HasSubstr("repetitions"));
  EXPECT_THAT(fault_of(Kind::regex, "((a{1,100}){1,100}){1,100}"), HasSubstr("written out"));
  EXPECT_THAT(fault_of(Kind::json_schema, R"({"pattern":"^(.{0,100}){0,100}$"})"), HasSubstr("written out"));
  const auto fault_of_bound = [](const char* key, std::int64_t bound) {
    return fault_of(Kind::json_schema, "{\"" + std::string(key) + "\":" + std::to_string(bound) + "}");
  };
  EXPECT_THAT(fault_of_bound("minLength", max_min_length + 1), HasSubstr("minLength"));
  EXPECT_THAT(fault_of_bound("maxLength", max_max_length + 1), HasSubstr("maxLength"));
  EXPECT_TRUE(compile(demo_vocabulary(), {.kind = Kind::json_schema,
                                          .text = "{\"maxLength\":" + std::to_string(max_max_length) + "}"}));
}

constexpr Duration slack = std::chrono::seconds(20);  // for a busy machine

// A small regex that takes minutes.
TEST(GrammarCompiler, EndsWhatTakesTooLong) {
  const TimePoint begin = now();
  const GrammarSpec spec{.kind = Kind::regex, .text = "(.{0,16}){0,10}"};
  EXPECT_EQ(refusal_of(deepseek_vocabulary(), spec, std::chrono::milliseconds(200)).code,
            "grammar_compile_timeout");
  EXPECT_LT(now() - begin, slack);
  EXPECT_TRUE(compile(deepseek_vocabulary(), {.kind = Kind::choice, .text = R"(["a","b"])"}))
      << "the deadline is gone";
}

TEST(GrammarCompiler, TenThousandBranchesAreCompiledOrRefusedInTime) {
  nlohmann::json branches = nlohmann::json::array();
  for (int i = 0; i < 9'990; ++i) branches.push_back({{"const", "branch " + std::to_string(i)}});
  const GrammarSpec spec{.kind = Kind::json_schema, .text = nlohmann::json{{"anyOf", branches}}.dump()};
  const TimePoint begin = now();
  const auto grammar = compile(deepseek_vocabulary(), spec, std::chrono::seconds(1));
  EXPECT_LT(now() - begin, slack);
  EXPECT_TRUE(grammar || grammar.error().code == "grammar_compile_timeout");
}

}  // namespace
}  // namespace troupe::model
