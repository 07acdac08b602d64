#include "runtime/generation/repetition_guard.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace troupe::runtime {
namespace {

// How many tokens it takes; nothing: it is never told of a repetition.
std::optional<std::size_t> told_at(RepetitionLimits limits, const std::vector<TokenId>& tokens) {
  RepetitionGuard guard(limits);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (guard.push(tokens[i])) return i + 1;
  return std::nullopt;
}

std::vector<TokenId> repeated(const std::vector<TokenId>& ngram, std::size_t tokens) {
  std::vector<TokenId> all;
  for (std::size_t i = 0; i < tokens; ++i) all.push_back(ngram[i % ngram.size()]);
  return all;
}

TEST(RepetitionGuard, TellsOfTheLastRepeatOfTheLongestNGram) {
  EXPECT_EQ(told_at({3, 2}, {9, 8, 1, 2, 3, 1, 2, 3, 4}), 8u);
  EXPECT_EQ(told_at({3, 2}, {9, 8, 1, 2, 3, 1, 2, 4, 3}), std::nullopt);
}

// As many tokens as the longest would take, however short it is.
TEST(RepetitionGuard, AShorterOneFillsAsManyTokens) {
  for (const std::vector<TokenId>& ngram :
       {std::vector<TokenId>{7}, {1, 2}, {1, 2, 3}, {1, 1, 2, 1}, {5, 4, 3, 2, 1}})
    EXPECT_EQ(told_at({5, 4}, repeated(ngram, 100)), 20u);
  EXPECT_EQ(told_at({5, 4}, repeated({1, 2, 3, 4, 5, 6}, 1000)), std::nullopt)
      << "longer than any that counts";
}

TEST(RepetitionGuard, ThereIsNoneUnlessItIsAskedFor) {
  EXPECT_EQ(told_at({}, repeated({1}, 1000)), std::nullopt);
}

TEST(RepetitionGuard, WhatCameBeforeDoesNotCount) {
  auto tokens = repeated({1, 2}, 15);  // one too few
  tokens.push_back(3);
  const auto again = repeated({1, 2}, 16);
  tokens.insert(tokens.end(), again.begin(), again.end());
  EXPECT_EQ(told_at({4, 4}, tokens), 32u);
}

// By the definition, looked up in all tokens.
bool goes_round(RepetitionLimits limits, const std::vector<TokenId>& tokens, std::size_t size) {
  const auto span = std::size_t(limits.ngram * limits.repeats);
  if (size < span) return false;
  for (std::size_t n = 1; n <= std::size_t(limits.ngram); ++n) {
    bool all = true;
    for (std::size_t i = size - span + n; i < size; ++i) all &= tokens[i] == tokens[i - n];
    if (all) return true;
  }
  return false;
}

RC_GTEST_PROP(RepetitionGuard, IsAsItIsDefined, ()) {
  const RepetitionLimits limits{*rc::gen::inRange(1, 5), *rc::gen::inRange(2, 4)};
  const auto tokens = *rc::gen::container<std::vector<TokenId>>(100, rc::gen::inRange(0, 2));
  RepetitionGuard guard(limits);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    RC_ASSERT(guard.push(tokens[i]) == goes_round(limits, tokens, i + 1));
}

}  // namespace
}  // namespace troupe::runtime
