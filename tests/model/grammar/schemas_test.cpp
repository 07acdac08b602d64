// Many schemas, each of which holds what a model without any sense writes.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/model/grammar/random_walk.hpp"
#include "tests/model/grammar/schema_validator.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;

const Json& schemas() {
  static const Json all = Json::parse(std::ifstream(TEST_DATA "/grammar/schemas.json"));
  return all;
}

// JSON has numbers that no double holds and that this library refuses: they are taken without their exponent.
Json parse(const std::string& text) {
  static const std::regex exponent("([0-9])[eE][-+]?[0-9]+");
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? Json::parse(std::regex_replace(text, exponent, "$1"), nullptr, false) : value;
}

void expect_walks_validate(const GrammarVocabulary& vocabulary, const Json& schema, bool any_whitespace,
                           int walks) {
  const auto grammar = compile(
      vocabulary,
      {.kind = GrammarSpec::Kind::json_schema, .text = schema.dump(), .any_whitespace = any_whitespace});
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (int seed = 0; seed < walks; ++seed) {
    const Walk walk = random_walk(vocabulary, *grammar, std::uint64_t(seed));
    ASSERT_TRUE(walk.ended) << walk.text;
    const Json value = parse(walk.text);
    ASSERT_FALSE(value.is_discarded()) << walk.text;
    EXPECT_TRUE(SchemaValidator(schema).valid(value)) << walk.text;
  }
}

TEST(Schemas, AnswersValidate) {
  ASSERT_GE(schemas().size(), 200u);
  for (const Json& entry : schemas()) {
    SCOPED_TRACE(entry["name"].get<std::string>());
    expect_walks_validate(demo_vocabulary(), entry["schema"], /*any_whitespace=*/true, 5);
    expect_walks_validate(demo_vocabulary(), entry["schema"], /*any_whitespace=*/false, 2);
  }
}

// Of one step in flight: each but the first verifies what was forced behind the step before it.
std::size_t steps_of(std::shared_ptr<const CompiledGrammar> grammar, const std::vector<TokenId>& answer) {
  GrammarMatcher matcher(std::move(grammar));
  std::size_t steps = 0;
  for (auto next = answer.begin(); next != answer.end(); ++steps) {
    const std::vector<TokenId> forced = steps == 0 ? std::vector<TokenId>{} : matcher.forced(16);
    const auto right = std::ranges::mismatch(forced, std::ranges::subrange(next, answer.end())).in2;
    const auto sampled = right == answer.end() ? right : right + 1;
    for (; next != sampled; ++next) EXPECT_TRUE(matcher.accept(*next));
  }
  return steps;
}

TEST(Schemas, AWeatherCallTakesHalfTheSteps) {
  const GrammarVocabulary& vocabulary = deepseek_vocabulary();
  GrammarSpec spec{
      .kind = GrammarSpec::Kind::json_schema,
      .text =
          R"({"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","unit"]})",
      .any_whitespace = false};
  std::vector<TokenId> answer =
      vocabulary.tokens_of(R"({"city": "San Francisco, California", "unit": "celsius", "days": 5})");
  answer.push_back(GrammarVocabulary::eos);
  EXPECT_EQ(answer.size(), 23u);
  EXPECT_EQ(steps_of(compile(vocabulary, spec).value(), answer), 11u);
  spec.any_whitespace = true;  // a choice behind each colon and comma
  EXPECT_EQ(steps_of(compile(vocabulary, spec).value(), answer), 19u);
}

void expect_fewer_steps(const GrammarVocabulary& vocabulary, std::size_t every, bool any_whitespace) {
  std::size_t tokens = 0, steps = 0;
  for (std::size_t i = 0; i < schemas().size(); i += every) {
    const GrammarSpec spec{.kind = GrammarSpec::Kind::json_schema,
                           .text = schemas()[i]["schema"].dump(),
                           .any_whitespace = any_whitespace};
    const auto grammar = compile(vocabulary, spec).value();
    std::vector<TokenId> answer =
        vocabulary.tokens_of(random_walk(vocabulary, grammar, /*seed=*/1, /*patience=*/10).text);
    answer.push_back(GrammarVocabulary::eos);
    tokens += answer.size();
    steps += steps_of(grammar, answer);
  }
  EXPECT_LT(steps, tokens);
  const std::string how = std::to_string(vocabulary.size) + (any_whitespace ? "_any_whitespace" : "_one_way");
  testing::Test::RecordProperty("tokens_" + how, int(tokens));
  testing::Test::RecordProperty("steps_" + how, int(steps));
}

TEST(Schemas, AnswersTakeFewerStepsThanTheyHaveTokens) {
  for (const bool any_whitespace : {false, true}) {
    expect_fewer_steps(demo_vocabulary(), 1, any_whitespace);
    expect_fewer_steps(deepseek_vocabulary(), 25, any_whitespace);
  }
}

TEST(Schemas, AnswersInDeepSeeksVocabularyValidate) {
  for (std::size_t i = 0; i < schemas().size(); i += 25) {
    SCOPED_TRACE(schemas()[i]["name"].get<std::string>());
    expect_walks_validate(deepseek_vocabulary(), schemas()[i]["schema"], true, 3);
  }
}

}  // namespace
}  // namespace troupe::model
