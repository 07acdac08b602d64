#include "model/grammar/grammar_matcher.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "tests/model/grammar/random_walk.hpp"

namespace troupe::model {
namespace {

using Kind = GrammarSpec::Kind;

std::shared_ptr<const CompiledGrammar> compiled(const GrammarVocabulary& vocabulary,
                                                const GrammarSpec& spec) {
  const auto grammar = compile(vocabulary, spec);
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar.value();
}

bool accepts(const GrammarVocabulary& vocabulary, const GrammarSpec& spec, std::string_view text) {
  GrammarMatcher matcher(compiled(vocabulary, spec));
  for (const TokenId token : vocabulary.tokens_of(text))
    if (!matcher.accept(token)) return false;
  return matcher.complete() && matcher.accept(GrammarVocabulary::eos) && matcher.terminated();
}

template <class Check>
void expect_walks(const GrammarSpec& spec, Check check) {
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
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

// Behind some letters, a grammar whose masks would take the engine seconds.
const GrammarSpec dear_behind_letters{.kind = Kind::regex, .text = R"((zq){4}((.{1,12} ?){1,12}!){1,10})"};

// Goes on with the letter until the answer is spent; returns the tokens.
std::vector<TokenId> spend(GrammarMatcher& matcher) {
  std::vector<TokenId> tokens = demo_vocabulary().tokens_of("zqzqzqzq");
  for (const TokenId token : tokens) EXPECT_TRUE(matcher.accept(token));
  const TokenId letter = demo_vocabulary().tokens_of("x").front();
  for (int i = 0; i < 100 && !allowed_tokens(matcher, demo_vocabulary().size).empty(); ++i) {
    EXPECT_TRUE(matcher.accept(letter));
    tokens.push_back(letter);
  }
  return tokens;
}

TEST(GrammarMatcher, GivesUpWhereAMaskWouldTakeTooLong) {
  const auto grammar = compiled(demo_vocabulary(), dear_behind_letters);
  GrammarMatcher matcher(grammar);
  const auto tokens = spend(matcher);
  ASSERT_TRUE(matcher.spent());
  EXPECT_TRUE(allowed_tokens(matcher, demo_vocabulary().size).empty());
  EXPECT_FALSE(matcher.accept(tokens.back()));
  EXPECT_TRUE(matcher.forced(8).empty());
  EXPECT_FALSE(matcher.complete() || matcher.terminated());
  EXPECT_EQ(matcher.accepted(), std::ssize(tokens));

  // It is so for everybody who comes there, by whatever way.
  GrammarMatcher straight(grammar);
  for (const TokenId token : tokens) ASSERT_TRUE(straight.accept(token));
  EXPECT_FALSE(straight.spent());
  EXPECT_TRUE(allowed_tokens(straight, demo_vocabulary().size).empty());
  EXPECT_TRUE(straight.spent());
}

// As it must where the token was a draft.
TEST(GrammarMatcher, GoesBackFromWhereItGaveUp) {
  const auto grammar = compiled(demo_vocabulary(), dear_behind_letters);
  GrammarMatcher matcher(grammar), fresh(grammar);
  auto tokens = spend(matcher);
  EXPECT_FALSE(matcher.begun_again());
  std::int64_t read = 0;
  matcher.rollback(2, [&] { ++read; });
  EXPECT_FALSE(matcher.spent());
  EXPECT_TRUE(matcher.begun_again());
  EXPECT_EQ(read, matcher.accepted()) << "who watches hears of each";
  tokens.resize(tokens.size() - 2);
  for (const TokenId token : tokens) ASSERT_TRUE(fresh.accept(token));
  const auto allowed = allowed_tokens(matcher, demo_vocabulary().size);
  EXPECT_FALSE(allowed.empty());
  EXPECT_EQ(allowed, allowed_tokens(fresh, demo_vocabulary().size));
  EXPECT_EQ(matcher.accepted(), std::ssize(tokens));
  matcher.rollback(matcher.accepted());
  EXPECT_TRUE(matcher.accept(demo_vocabulary().tokens_of("zq").front()));
  EXPECT_TRUE(matcher.forced(2).empty()) << "what is tried there may be as dear";
}

// The output's parser takes the end of thoughts by its letters.
TEST(GrammarMatcher, ThoughtsAreNotEndedByLetters) {
  const std::string tag = "</think>";
  const GrammarVocabulary& vocabulary = demo_vocabulary();  // that of V3 has no such token
  GrammarMatcher matcher(compiled(vocabulary, {.kind = Kind::json_object, .after = tag}));
  const ByteRange plain{0, tag.size() - 1};
  const auto letters = vocabulary.tokenizer.encode(tag.substr(0, tag.size() - 1), {&plain, 1});
  for (const TokenId token : letters.value()) ASSERT_TRUE(matcher.accept(token));
  const auto allowed = allowed_tokens(matcher, vocabulary.size);
  EXPECT_GT(std::ssize(allowed), vocabulary.size / 2);
  for (const TokenId token : allowed)
    EXPECT_FALSE(vocabulary.tokenizer.token_bytes(token).starts_with(">")) << token;
  EXPECT_FALSE(matcher.accept(vocabulary.tokens_of(">").front()));
  ASSERT_TRUE(matcher.accept(*vocabulary.tokenizer.id_of_added("<｜User｜>"))) << "which may be left out";
  EXPECT_FALSE(matcher.accept(vocabulary.tokens_of(">").front()));
  matcher.rollback(1);
  ASSERT_TRUE(matcher.accept(vocabulary.tokens_of("x").front()));
  EXPECT_TRUE(matcher.accept(vocabulary.tokens_of(">").front()));
  matcher.rollback(2);
  EXPECT_FALSE(matcher.accept(vocabulary.tokens_of(">").front()));
  ASSERT_TRUE(matcher.accept(*vocabulary.tokenizer.id_of_added(tag)));
  EXPECT_FALSE(matcher.accept(vocabulary.tokens_of("x").front()));
  EXPECT_TRUE(matcher.accept(vocabulary.tokens_of("{").front()));
}

TEST(GrammarMatcher, WhatMayNotBeSpelledOutIsOfAGrammarsBytes) {
  GrammarSpec spec{.kind = Kind::choice, .text = R"(["yes"])"};
  const std::size_t alone = compiled(demo_vocabulary(), spec)->bytes();
  spec.after = "</think>";
  EXPECT_GT(compiled(demo_vocabulary(), spec)->bytes(), alone);
}

TEST(GrammarMatcher, ADotStaysInItsLine) {
  for (const char* regex : {"a.b", "a[.]b"}) {
    EXPECT_FALSE(accepts(demo_vocabulary(), {.kind = Kind::regex, .text = regex}, "a\nb"));
    EXPECT_TRUE(accepts(demo_vocabulary(), {.kind = Kind::regex, .text = regex}, "a.b"));
  }
  EXPECT_TRUE(accepts(demo_vocabulary(), {.kind = Kind::regex, .text = "a.b"}, "aöb"));
  EXPECT_FALSE(accepts(demo_vocabulary(), {.kind = Kind::regex, .text = "a.b"}, "a\u2028b"));
  EXPECT_FALSE(accepts(demo_vocabulary(), {.kind = Kind::regex, .text = R"(a\.b)"}, "axb"));
}

TEST(GrammarMatcher, BehindTheEndOnlyEosComesAndThenNothing) {
  GrammarMatcher matcher(compiled(demo_vocabulary(), {.kind = Kind::choice, .text = R"(["yes"])"}));
  EXPECT_FALSE(matcher.accept(GrammarVocabulary::eos));
  for (const TokenId token : demo_vocabulary().tokens_of("yes")) ASSERT_TRUE(matcher.accept(token));
  EXPECT_TRUE(matcher.complete());
  EXPECT_FALSE(matcher.terminated());
  EXPECT_EQ(allowed_tokens(matcher, demo_vocabulary().size), std::vector<TokenId>{GrammarVocabulary::eos});
  ASSERT_TRUE(matcher.accept(GrammarVocabulary::eos));
  EXPECT_TRUE(matcher.terminated());
  EXPECT_TRUE(allowed_tokens(matcher, demo_vocabulary().size).empty());
  EXPECT_FALSE(matcher.accept(GrammarVocabulary::eos));
  matcher.rollback(1);
  EXPECT_FALSE(matcher.terminated());
  EXPECT_EQ(allowed_tokens(matcher, demo_vocabulary().size), std::vector<TokenId>{GrammarVocabulary::eos});
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
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    GrammarMatcher matcher(compiled(*vocabulary, {.kind = Kind::regex, .text = ".*"}));
    for (const TokenId token : allowed_tokens(matcher, vocabulary->size))
      EXPECT_TRUE(token == GrammarVocabulary::eos || !vocabulary->tokenizer.is_added(token)) << token;
  }
}

// A matcher that was rolled back is one that never came so far.
TEST(GrammarMatcher, RollbackIsNotHavingAccepted) {
  const GrammarVocabulary& vocabulary = demo_vocabulary();
  const auto grammar = compiled(vocabulary, {.kind = Kind::json_object});
  std::mt19937_64 random(7);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::vector<TokenId> tokens = random_walk(vocabulary, grammar, seed).tokens;
    tokens.push_back(GrammarVocabulary::eos);
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

std::string forced_text(const GrammarVocabulary& vocabulary, GrammarMatcher& matcher) {
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
  for (const GrammarVocabulary* vocabulary : {&demo_vocabulary(), &deepseek_vocabulary()}) {
    const auto grammar =
        compiled(*vocabulary, {.kind = Kind::choice, .text = nlohmann::json::array({text}).dump()});
    GrammarMatcher matcher(grammar);
    std::vector<TokenId> tokens = vocabulary->tokens_of(text);
    tokens.push_back(GrammarVocabulary::eos);
    EXPECT_EQ(matcher.forced(64), tokens);
    tokens.resize(4);
    EXPECT_EQ(matcher.forced(4), tokens);
    EXPECT_EQ(matcher.accepted(), 0);
  }
}

TEST(GrammarMatcher, NothingIsForcedWhereThereIsAChoice) {
  const GrammarVocabulary& vocabulary = demo_vocabulary();
  for (const GrammarSpec& spec :
       {GrammarSpec{.kind = Kind::regex, .text = "[ab]c"}, GrammarSpec{.kind = Kind::json_object},
        GrammarSpec{.kind = Kind::choice, .text = R"(["yes", "no"])"},
        GrammarSpec{.kind = Kind::regex, .text = "(yes)?"},
        GrammarSpec{.kind = Kind::regex, .text = "(<b)?"}}) {
    GrammarMatcher matcher(compiled(vocabulary, spec));
    if (spec.kind == Kind::json_object) {
      ASSERT_TRUE(matcher.accept(vocabulary.tokens_of("{").at(0)));
    }
    EXPECT_TRUE(matcher.forced(16).empty()) << *spec.text;
  }
}

TEST(GrammarMatcher, AGrammarThatNeverEndsForcesNoMoreThanWasAskedFor) {
  GrammarMatcher matcher(compiled(demo_vocabulary(), {.kind = Kind::ebnf, .text = "root ::= \"ab\" root"}));
  EXPECT_EQ(matcher.forced(16).size(), 16u);
  EXPECT_EQ(matcher.accepted(), 0);
}

TEST(GrammarMatcher, WhatBeginsWithinACharacterIsForcedAsItComes) {
  const GrammarVocabulary& vocabulary = demo_vocabulary();
  GrammarMatcher matcher(compiled(vocabulary, {.kind = Kind::choice, .text = R"(["微a"])"}));
  const std::vector<TokenId> tokens = vocabulary.tokens_of("微a");
  ASSERT_GT(tokens.size(), 2u);
  ASSERT_TRUE(matcher.accept(tokens[0]));
  EXPECT_EQ(matcher.forced(1), std::vector<TokenId>{tokens[1]});
}

class AfterReasoning : public testing::Test {
 protected:
  const GrammarVocabulary& vocabulary = demo_vocabulary();
  const TokenId end = vocabulary.tokenizer.id_of_added("</think>").value();
  const std::vector<TokenId> thoughts = vocabulary.tokens_of("hm, let me see");
  const std::vector<TokenId> yes = vocabulary.tokens_of("yes<｜end▁of▁sentence｜>");
  GrammarMatcher matcher{
      compiled(vocabulary, {.kind = Kind::choice, .text = R"(["yes"])", .after = "</think>"})};
};

TEST_F(AfterReasoning, TheGrammarHoldsFromBehindTheMarker) {
  std::vector<TokenId> allowed = allowed_tokens(matcher, vocabulary.size);
  EXPECT_EQ(std::int64_t(allowed.size()), vocabulary.size - 1);  // all but eos
  EXPECT_EQ(std::ranges::count(allowed, GrammarVocabulary::eos), 0);
  EXPECT_FALSE(matcher.accept(GrammarVocabulary::eos));
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
