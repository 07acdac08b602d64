#include "model/grammar/grammar_matcher.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "tests/model/grammar/random_walk.hpp"

namespace troupe::model {
namespace {

using Kind = GrammarSpec::Kind;

std::shared_ptr<const CompiledGrammar> compiled(const Vocabulary& vocabulary, const GrammarSpec& spec) {
  const auto grammar = compile(vocabulary, spec);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar.value();
}

bool accepts(const Vocabulary& vocabulary, const GrammarSpec& spec, std::string_view text) {
  GrammarMatcher matcher(compiled(vocabulary, spec));
  for (const TokenId token : vocabulary.tokens_of(text))
    if (!matcher.accept(token)) return false;
  return matcher.complete() && matcher.accept(Vocabulary::eos) && matcher.terminated();
}

template <class Check>
void expect_walks(const GrammarSpec& spec, Check check) {
  for (const Vocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    const auto grammar = compiled(*vocabulary, spec);
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const Walk walk = random_walk(*vocabulary, grammar, seed);
      EXPECT_TRUE(walk.ended) << walk.text;
      EXPECT_TRUE(check(walk.text)) << walk.text;
    }
  }
}

TEST(GrammarMatcher, AnyObject) {
  expect_walks({.kind = Kind::json_object}, [](const std::string& text) {
    return nlohmann::json::parse(text, nullptr, false).is_object();
  });
}

TEST(GrammarMatcher, Regex) {
  for (const std::string regex :
       {"[a-z]{2,5}[0-9]*", "(yes|no)( indeed)?", "^-?\\d+(\\.\\d+)?$", "^a$|^b$", "\\w+@\\w+\\.com"})
    expect_walks({.kind = Kind::regex, .text = regex},
                 [&](const std::string& text) { return std::regex_match(text, std::regex(regex)); });
}

TEST(GrammarMatcher, Choices) {
  const std::vector<std::string> choices{"positive", "negative", "pos", "größer", "a \"quoted\"\nword \\"};
  const GrammarSpec spec{.kind = Kind::choice, .text = nlohmann::json(choices).dump()};
  expect_walks(spec, [&](const std::string& text) { return std::ranges::count(choices, text) == 1; });
  for (const std::string& choice : choices) EXPECT_TRUE(accepts(demo_vocabulary(), spec, choice));
  EXPECT_FALSE(accepts(demo_vocabulary(), spec, "positiv"));
}

TEST(GrammarMatcher, Ebnf) {
  const GrammarSpec spec{.kind = Kind::ebnf,
                         .text = "root ::= term ([+*] term)*\nterm ::= [0-9]+ | \"(\" root \")\""};
  EXPECT_TRUE(accepts(demo_vocabulary(), spec, "1+(20*3)"));
  EXPECT_FALSE(accepts(demo_vocabulary(), spec, "1+(20*3"));
}

TEST(GrammarMatcher, WhiteSpaceIsFreeOrOneWay) {
  GrammarSpec spec{.kind = Kind::json_schema,
                   .text = R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]})"};
  EXPECT_TRUE(accepts(demo_vocabulary(), spec, "{\n  \"a\" : 1 }"));
  spec.any_whitespace = false;
  EXPECT_FALSE(accepts(demo_vocabulary(), spec, "{\n  \"a\" : 1 }"));
  EXPECT_TRUE(accepts(demo_vocabulary(), spec, "{\"a\": 1}"));
}

TEST(GrammarMatcher, WhatIsRequiredComesThoughNoPropertyIsOfThatName) {
  GrammarSpec spec{.kind = Kind::json_schema,
                   .text = R"({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["q"],
                               "additionalProperties": {"type": "boolean"}})"};
  EXPECT_FALSE(accepts(demo_vocabulary(), spec, R"({"a": 1})"));
  EXPECT_FALSE(accepts(demo_vocabulary(), spec, R"({"a": 1, "q": 2})"));
  EXPECT_TRUE(accepts(demo_vocabulary(), spec, R"({"a": 1, "q": true})"));
  spec.text = R"({"type": "object", "properties": {}, "required": ["q"], "additionalProperties": false})";
  EXPECT_FALSE(compile(demo_vocabulary(), spec));
}

TEST(GrammarMatcher, OtherPropertiesComeOnlyWhereTheSchemaIsNotStrict) {
  GrammarSpec spec{.kind = Kind::json_schema,
                   .text = R"({"type":"object","properties":{"a":{"type":"integer"}}})"};
  EXPECT_FALSE(accepts(demo_vocabulary(), spec, R"({"a":1,"b":2})"));
  spec.strict = false;
  EXPECT_TRUE(accepts(demo_vocabulary(), spec, R"({"a":1,"b":2})"));
}

TEST(GrammarMatcher, BehindTheEndOnlyEosComesAndThenNothing) {
  GrammarMatcher matcher(compiled(demo_vocabulary(), {.kind = Kind::choice, .text = R"(["yes"])"}));
  EXPECT_FALSE(matcher.accept(Vocabulary::eos));
  for (const TokenId token : demo_vocabulary().tokens_of("yes")) ASSERT_TRUE(matcher.accept(token));
  EXPECT_TRUE(matcher.complete());
  EXPECT_FALSE(matcher.terminated());
  EXPECT_EQ(allowed_tokens(matcher, demo_vocabulary().size), std::vector<TokenId>{Vocabulary::eos});
  ASSERT_TRUE(matcher.accept(Vocabulary::eos));
  EXPECT_TRUE(matcher.terminated());
  EXPECT_TRUE(allowed_tokens(matcher, demo_vocabulary().size).empty());
  EXPECT_FALSE(matcher.accept(Vocabulary::eos));
  matcher.rollback(1);
  EXPECT_FALSE(matcher.terminated());
  EXPECT_EQ(allowed_tokens(matcher, demo_vocabulary().size), std::vector<TokenId>{Vocabulary::eos});
}

TEST(GrammarMatcher, RefusesWhatTheMaskLeavesOut) {
  GrammarMatcher matcher(compiled(demo_vocabulary(), {.kind = Kind::json_object}));
  const std::vector<TokenId> allowed = allowed_tokens(matcher, demo_vocabulary().size);
  ASSERT_FALSE(allowed.empty());
  for (TokenId token = -1; token <= demo_vocabulary().size; ++token) {
    if (std::ranges::count(allowed, token) > 0) continue;
    EXPECT_FALSE(matcher.accept(token)) << token;
  }
  EXPECT_EQ(matcher.accepted(), 0);
}

// No control token stands in a string because its letters would fit.
TEST(GrammarMatcher, ControlTokensAreNoText) {
  for (const Vocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    GrammarMatcher matcher(compiled(*vocabulary, {.kind = Kind::regex, .text = ".*"}));
    for (const TokenId token : allowed_tokens(matcher, vocabulary->size))
      EXPECT_TRUE(token == Vocabulary::eos || !vocabulary->tokenizer.is_added(token)) << token;
  }
}

// A matcher that was rolled back is one that never came so far.
TEST(GrammarMatcher, RollbackIsNotHavingAccepted) {
  const Vocabulary& vocabulary = demo_vocabulary();
  const auto grammar = compiled(vocabulary, {.kind = Kind::json_object});
  std::mt19937_64 random(7);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<TokenId> tokens = random_walk(vocabulary, grammar, seed).tokens;
    tokens.push_back(Vocabulary::eos);
    GrammarMatcher rolled(grammar);
    for (const TokenId token : tokens) ASSERT_TRUE(rolled.accept(token));
    const auto back = std::int64_t(random() % (tokens.size() + 1));
    rolled.rollback(back);
    GrammarMatcher fresh(grammar);
    for (std::int64_t i = 0; i < rolled.accepted(); ++i) ASSERT_TRUE(fresh.accept(tokens[std::size_t(i)]));
    EXPECT_EQ(allowed_tokens(rolled, vocabulary.size), allowed_tokens(fresh, vocabulary.size));
    EXPECT_EQ(rolled.complete(), fresh.complete());
    EXPECT_EQ(rolled.forced(16), fresh.forced(16));
    EXPECT_EQ(allowed_tokens(rolled, vocabulary.size), allowed_tokens(fresh, vocabulary.size));
  }
}

std::string forced_text(const Vocabulary& vocabulary, GrammarMatcher& matcher) {
  return vocabulary.tokenizer.decode(matcher.forced(16));
}

TEST(GrammarMatcher, TellsTextThatMustCome) {
  const GrammarSpec spec{
      .kind = Kind::json_schema,
      .text =
          R"({"type":"object","properties":{"temperature":{"type":"boolean"}},"required":["temperature"]})",
      .any_whitespace = false};
  GrammarMatcher matcher(compiled(demo_vocabulary(), spec));
  // Behind the colon a space comes for certain, but as a token of its own or as the beginning of the next one.
  EXPECT_EQ(forced_text(demo_vocabulary(), matcher), R"({"temperature":)");
  for (const TokenId token : demo_vocabulary().tokens_of(R"({"temperature": t)"))
    ASSERT_TRUE(matcher.accept(token));
  EXPECT_EQ(forced_text(demo_vocabulary(), matcher), "rue}<｜end▁of▁sentence｜>");
}

TEST(GrammarMatcher, ForcedTokensAreThoseThatTheTokenizerWrites) {
  const std::string text = "unhappily, the Größe of 微 is unknown";
  for (const Vocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    const auto grammar =
        compiled(*vocabulary, {.kind = Kind::choice, .text = nlohmann::json::array({text}).dump()});
    GrammarMatcher matcher(grammar);
    std::vector<TokenId> tokens = vocabulary->tokens_of(text);
    tokens.push_back(Vocabulary::eos);
    EXPECT_EQ(matcher.forced(64), tokens);
    tokens.resize(4);
    EXPECT_EQ(matcher.forced(4), tokens);
    EXPECT_EQ(matcher.accepted(), 0);
  }
}

TEST(GrammarMatcher, NothingIsForcedWhereThereIsAChoice) {
  const Vocabulary& vocabulary = demo_vocabulary();
  for (const GrammarSpec& spec :
       {GrammarSpec{.kind = Kind::regex, .text = "[ab]c"}, GrammarSpec{.kind = Kind::json_object},
        GrammarSpec{.kind = Kind::choice, .text = R"(["yes", "no"])"},
        GrammarSpec{.kind = Kind::regex, .text = "(yes)?"}}) {
    GrammarMatcher matcher(compiled(vocabulary, spec));
    if (spec.kind == Kind::json_object) {
      ASSERT_TRUE(matcher.accept(vocabulary.tokens_of("{").at(0)));
    }
    EXPECT_TRUE(matcher.forced(16).empty()) << spec.text;
  }
}

TEST(GrammarMatcher, AGrammarThatNeverEndsForcesNoMoreThanWasAskedFor) {
  GrammarMatcher matcher(compiled(demo_vocabulary(), {.kind = Kind::ebnf, .text = "root ::= \"ab\" root"}));
  EXPECT_EQ(matcher.forced(16).size(), 16u);
  EXPECT_EQ(matcher.accepted(), 0);
}

TEST(GrammarMatcher, WhatBeginsWithinACharacterIsForcedAsItComes) {
  const Vocabulary& vocabulary = demo_vocabulary();
  GrammarMatcher matcher(compiled(vocabulary, {.kind = Kind::choice, .text = R"(["微a"])"}));
  const std::vector<TokenId> tokens = vocabulary.tokens_of("微a");
  ASSERT_GT(tokens.size(), 2u);
  ASSERT_TRUE(matcher.accept(tokens[0]));
  EXPECT_EQ(matcher.forced(1), std::vector<TokenId>{tokens[1]});
}

class AfterReasoning : public testing::Test {
 protected:
  const Vocabulary& vocabulary = demo_vocabulary();
  const TokenId end = vocabulary.tokenizer.id_of_added("</think>").value();
  const std::vector<TokenId> thoughts = vocabulary.tokens_of("hm, let me see");
  const std::vector<TokenId> yes = vocabulary.tokens_of("yes<｜end▁of▁sentence｜>");
  GrammarMatcher matcher{
      compiled(vocabulary, {.kind = Kind::choice, .text = R"(["yes"])", .after = "</think>"})};
};

TEST_F(AfterReasoning, TheGrammarHoldsFromBehindTheMarker) {
  std::vector<TokenId> allowed = allowed_tokens(matcher, vocabulary.size);
  EXPECT_EQ(std::int64_t(allowed.size()), vocabulary.size - 1);  // all but eos
  EXPECT_EQ(std::ranges::count(allowed, Vocabulary::eos), 0);
  EXPECT_FALSE(matcher.accept(Vocabulary::eos));
  for (const TokenId token : thoughts) ASSERT_TRUE(matcher.accept(token));
  EXPECT_TRUE(matcher.forced(16).empty());
  ASSERT_TRUE(matcher.accept(end));
  EXPECT_EQ(matcher.forced(16), yes);
  EXPECT_FALSE(matcher.accept(thoughts[0]));
}

TEST_F(AfterReasoning, RollbackGoesBackIntoIt) {
  for (const TokenId token : thoughts) ASSERT_TRUE(matcher.accept(token));
  ASSERT_TRUE(matcher.accept(end));
  for (const TokenId token : vocabulary.tokens_of("yes")) ASSERT_TRUE(matcher.accept(token));
  matcher.rollback(matcher.accepted() - std::int64_t(thoughts.size()) - 1);
  EXPECT_EQ(matcher.forced(16), yes);
  matcher.rollback(2);
  EXPECT_TRUE(matcher.accept(thoughts[0]));
  EXPECT_TRUE(matcher.accept(end));
  EXPECT_EQ(matcher.forced(16), yes);
}

}  // namespace
}  // namespace troupe::model
