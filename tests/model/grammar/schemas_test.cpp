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

void expect_walks_validate(const Vocabulary& vocabulary, const Json& schema, bool any_whitespace, int walks) {
  const auto grammar = compile(
      vocabulary,
      {.kind = GrammarSpec::Kind::json_schema, .text = schema.dump(), .any_whitespace = any_whitespace});
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (int seed = 0; seed < walks; ++seed) {
    const Walk walk = random_walk(vocabulary, *grammar, std::uint64_t(seed));
    ASSERT_TRUE(walk.ended) << walk.text;
    const Json value = Json::parse(walk.text, nullptr, /*allow_exceptions=*/false);
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

TEST(Schemas, AnswersInDeepSeeksVocabularyValidate) {
  for (std::size_t i = 0; i < schemas().size(); i += 25) {
    SCOPED_TRACE(schemas()[i]["name"].get<std::string>());
    expect_walks_validate(deepseek_vocabulary(), schemas()[i]["schema"], true, 3);
  }
}

}  // namespace
}  // namespace troupe::model
