#include "model/grammar/bounded_strings.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/model/grammar/random_walk.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;

std::shared_ptr<const CompiledGrammar> compiled(const GrammarVocabulary& vocabulary, const Json& schema) {
  const auto grammar = compile(
      vocabulary, {.kind = GrammarSpec::Kind::json_schema, .text = schema.dump(), .any_whitespace = false});
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar.value();
}

Json string_of(std::int64_t low, std::int64_t high) {
  return {{"type", "string"}, {"minLength", low}, {"maxLength", high}};
}

// Character by character: near its bound a string's end is a token of its own.
bool accepts(const std::shared_ptr<const CompiledGrammar>& grammar, const std::string& text) {
  GrammarMatcher matcher(grammar);
  const auto take = [&](std::string_view character) {
    return std::ranges::all_of(demo_vocabulary().tokens_of(character), [&](TokenId token) {
      const auto allowed = allowed_tokens(matcher, demo_vocabulary().size);
      return std::ranges::count(allowed, token) > 0 && matcher.accept(token);
    });
  };
  for (std::size_t at = 0, end = 0; at < text.size(); at = end) {
    for (end = at + 1; end < text.size() && (text[end] & 0xC0) == 0x80;) ++end;
    if (!take(std::string_view(text).substr(at, end - at))) return false;
  }
  return matcher.complete();
}

std::string times(int n, const std::string& text) {
  std::string all;
  for (int i = 0; i < n; ++i) all += text;
  return all;
}

TEST(BoundedStrings, CountsCharacters) {
  const auto grammar = compiled(demo_vocabulary(), string_of(3, 200));
  for (const std::string one : {"a", "é", "字", "😀", " "}) {
    EXPECT_TRUE(accepts(grammar, '"' + times(3, one) + '"')) << one;
    EXPECT_TRUE(accepts(grammar, '"' + times(200, one) + '"')) << one;
    EXPECT_FALSE(accepts(grammar, '"' + times(2, one) + '"')) << one;
    EXPECT_FALSE(accepts(grammar, '"' + times(201, one) + '"')) << one;
  }
}

// Written in two characters, counted as two, and never more than the schema allows.
TEST(BoundedStrings, EscapesSpendWhatTheyAreWrittenIn) {
  const auto grammar = compiled(demo_vocabulary(), string_of(0, 200));
  EXPECT_TRUE(accepts(grammar, '"' + times(100, "\\n") + '"'));
  EXPECT_FALSE(accepts(grammar, '"' + times(201, "\\n") + '"'));
  EXPECT_TRUE(accepts(grammar, '"' + times(199, "a") + "\\u00e9\"")) << "an escape that is begun may end";
  EXPECT_FALSE(accepts(grammar, R"("\ud83d\ude00")")) << "two escapes of one character";
  EXPECT_FALSE(accepts(grammar, "\"a\nb\"")) << "a new line is an escape";
  const auto short_one = compiled(demo_vocabulary(), string_of(2, 4));
  EXPECT_TRUE(accepts(short_one, R"("\n\"\\\u00e9")")) << "four characters";
  EXPECT_FALSE(accepts(short_one, R"("\u00e9")"));
  const auto exact = compiled(demo_vocabulary(), string_of(40, 40));
  EXPECT_TRUE(accepts(exact, '"' + times(40, "a") + '"'));
  EXPECT_TRUE(accepts(exact, '"' + times(39, "a") + "\\n\"")) << "the shortest comes before the budget";
  EXPECT_FALSE(accepts(exact, '"' + times(39, "a") + '"'));
  EXPECT_FALSE(accepts(exact, '"' + times(41, "a") + '"'));
}

bool holds(std::size_t low, const Json& text, std::size_t high) {
  if (!text.is_string()) return false;
  const auto length = std::size_t(
      std::ranges::count_if(text.get_ref<const std::string&>(), [](char c) { return (c & 0xC0) != 0x80; }));
  return low <= length && length <= high;
}

TEST(BoundedStrings, AnswersValidate) {
  const Json schema{{"type", "object"},
                    {"properties",
                     {{"a", string_of(0, 17)},
                      {"b", {{"type", "array"}, {"items", string_of(2, 300)}, {"maxItems", 3}}},
                      {"c", {{"anyOf", {string_of(0, 129), {{"type", "boolean"}}}}}},
                      {"d", {{"type", "string"}}}}},
                    {"required", {"a", "b", "c", "d"}},
                    {"additionalProperties", false}};
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    const auto grammar = compiled(*vocabulary, schema);
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const Walk walk = random_walk(*vocabulary, grammar, seed, /*patience=*/100 * int(seed));
      ASSERT_TRUE(walk.ended) << walk.text;
      const Json value = Json::parse(walk.text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << walk.text;
      EXPECT_TRUE(holds(0, value["a"], 17)) << walk.text;
      EXPECT_LE(value["b"].size(), 3u);
      for (const Json& each : value["b"]) EXPECT_TRUE(holds(2, each, 300)) << walk.text;
      EXPECT_TRUE(value["c"].is_boolean() || holds(0, value["c"], 129)) << walk.text;
    }
  }
}

TEST(BoundedStrings, IsKeptWhenTokensAreTakenBack) {
  GrammarMatcher matcher(compiled(demo_vocabulary(), string_of(0, 20)));
  const auto opening = demo_vocabulary().tokens_of("\"abc"),
             more = demo_vocabulary().tokens_of("defghijklmnopqrst");
  for (const TokenId token : opening) ASSERT_TRUE(matcher.accept(token));
  const auto before = allowed_tokens(matcher, demo_vocabulary().size);
  for (const TokenId token : more) ASSERT_TRUE(matcher.accept(token));
  matcher.rollback(std::ssize(more));
  EXPECT_EQ(allowed_tokens(matcher, demo_vocabulary().size), before);
}

}  // namespace
}  // namespace troupe::model
