#include "model/grammar/schema_pattern.hpp"

#include <gmock/gmock.h>

#include <regex>

#include "tests/model/grammar/random_walk.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;

auto compiled_schema(const Json& schema) {
  return compile(demo_vocabulary(), {.kind = GrammarSpec::Kind::json_schema, .text = schema.dump()});
}

Json of_pattern(const std::string& pattern) {
  return {{"type", "string"}, {"pattern", pattern}};
}

// What a model without any sense writes is JSON.
void expect_json(const Json& schema, const std::string& pattern) {
  const auto grammar = compiled_schema(schema);
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Walk walk = random_walk(demo_vocabulary(), *grammar, seed);
    const Json value = Json::parse(walk.text, nullptr, false);
    ASSERT_TRUE(value.is_string()) << walk.text;
    const std::string text = value;
    const bool ascii = std::ranges::all_of(text, [](char c) { return c >= 0; });
    EXPECT_TRUE(!ascii || std::regex_search(text, std::regex(pattern))) << walk.text;
  }
}

TEST(SchemaPattern, AStringOfAnyPatternIsJson) {
  for (const char* pattern : {"^.{3,8}$", "^[^a]{1,5}$", R"(^\S{2,4}$)", R"(^\D\W$)",
                              R"(^[\u0000-\u007f]{1,4}$)", "^a[\"b]c$", R"(^(x|\\)y$)"})
    expect_json(of_pattern(pattern), pattern);
}

TEST(SchemaPattern, OneThatMustHaveAnEscapeIsRefused) {
  for (const char* pattern : {"^a\"b$", R"(^a\\b$)", R"(^a\nb$)", "é", "^[^é]$", "a\tb", R"(\u0000)",
                              R"(a"", json_string=true\))"}) {
    const auto refused = compiled_schema(of_pattern(pattern));
    ASSERT_FALSE(refused) << pattern;
    EXPECT_THAT(refused.error().message, HasSubstr("has a pattern that cannot be used")) << pattern;
  }
}

TEST(SchemaPattern, SoAreThoseOfNames) {
  for (const char* pattern : {"^a\"b$", "é", "a(^b)"}) {
    EXPECT_FALSE(
        compiled_schema({{"type", "object"}, {"patternProperties", {{pattern, {{"type", "null"}}}}}}))
        << pattern;
    EXPECT_FALSE(compiled_schema({{"type", "object"}, {"propertyNames", {{"pattern", pattern}}}})) << pattern;
  }
  const auto grammar = compiled_schema(
      {{"type", "object"}, {"patternProperties", {{"^a.[^b]$", {{"type", "null"}}}}}, {"minProperties", 1}});
  ASSERT_TRUE(grammar) << grammar.error().message;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Walk walk = random_walk(demo_vocabulary(), *grammar, seed, /*patience=*/10);
    EXPECT_TRUE(Json::parse(walk.text, nullptr, false).is_object()) << walk.text;
  }
}

TEST(SchemaPattern, FormatsAreJson) {
  for (const auto& [format, pattern] : std::initializer_list<std::pair<std::string, std::string>>{
           {"email", "^[^@\"]+@[^@\"]+$"},
           {"json-pointer", "^(/.*)?$"},
           {"relative-json-pointer", "^[0-9]+(#|/.*)?$"},
           {"uri-template", ""},
           {"uri", "^[A-Za-z].*:"}})
    expect_json({{"type", "string"}, {"format", format}}, pattern);
  EXPECT_FALSE(compiled_schema({{"type", "string"}, {"format", "date"}, {"pattern", "^2"}}));
  EXPECT_TRUE(compiled_schema({{"type", "string"}, {"format", "of-our-own"}, {"pattern", "^2"}}));
}

}  // namespace
}  // namespace troupe::model
