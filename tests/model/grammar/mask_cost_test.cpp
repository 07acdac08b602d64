#include "model/grammar/mask_cost.hpp"

#include <gtest/gtest.h>

#include "tests/model/grammar/vocabularies.hpp"

namespace troupe::model {
namespace {

using Kind = GrammarSpec::Kind;

auto admit(const GrammarVocabulary& vocabulary, Kind kind, const std::string& text,
           const std::string& after = "") {
  return vocabulary.compiler.admit({.kind = kind, .text = text, .after = after},
                                   now() + std::chrono::minutes(5));
}

TEST(MaskCost, WhatWouldHaltOthersIsRefused) {
  for (const auto& [kind, text] : std::initializer_list<std::pair<Kind, std::string>>{
           {Kind::regex, R"(((.{1,12} ?){1,12}\.){0,10})"},
           {Kind::ebnf, "root ::= a\na ::= a a a a a a | [^\\n] | a a a | a a | \"\""}}) {
    const auto admitted = admit(demo_vocabulary(), kind, text);
    ASSERT_FALSE(admitted) << text;
    EXPECT_NE(admitted.error().message.find("which tokens may come next"), std::string::npos)
        << admitted.error().message;
  }
}

TEST(MaskCost, EverydayGrammarsAreAdmitted) {
  EXPECT_TRUE(admit(deepseek_vocabulary(), Kind::json_object, ""));
  EXPECT_TRUE(admit(deepseek_vocabulary(), Kind::json_schema, R"({"type": "object", "properties": {
      "name": {"type": "string", "maxLength": 40}, "tags": {"type": "array", "items": {"type": "string"}},
      "born": {"type": "string", "format": "date"}}, "required": ["name", "born"]})"));
  EXPECT_TRUE(admit(deepseek_vocabulary(), Kind::regex, R"([0-9]{4}-[0-9]{2}-[0-9]{2}( [a-z]+)*)"));
  EXPECT_TRUE(admit(demo_vocabulary(), Kind::choice, R"(["yes", "no"])"));
}

// The walk goes behind the token from which on the grammar holds.
TEST(MaskCost, IsThatBehindTheThoughts) {
  EXPECT_FALSE(admit(demo_vocabulary(), Kind::regex, R"(((.{1,12} ?){1,12}\.){0,10})", "</think>"));
  EXPECT_TRUE(admit(demo_vocabulary(), Kind::json_object, "", "</think>"));
}

// It tries the first tokens only: what is dear behind them is found out by who comes there.
TEST(MaskCost, IsNoMoreThanACourtesy) {
  EXPECT_TRUE(admit(demo_vocabulary(), Kind::regex, R"((zq){128}((.{1,12} ?){1,12}!){1,10})"));
}

}  // namespace
}  // namespace troupe::model
