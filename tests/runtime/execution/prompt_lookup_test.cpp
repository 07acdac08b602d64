#include "runtime/execution/prompt_lookup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Tokens = std::vector<TokenId>;

TEST(PromptLookup, GivesWhatFollowedTheLastTokensBefore) {
  EXPECT_THAT(prompt_lookup(Tokens{1, 2, 3, 4, 5, 1, 2}, 2), ElementsAre(3, 4));
  EXPECT_THAT(prompt_lookup(Tokens{1, 2, 3, 1, 2}, 8), ElementsAre(3, 1, 2)) << "no more than there is";
  EXPECT_THAT(prompt_lookup(Tokens{7, 7, 7, 7}, 3), ElementsAre(7)) << "a place of its own";
}

TEST(PromptLookup, PrefersLongerMatchesAndThenLaterPlaces) {
  EXPECT_THAT(prompt_lookup(Tokens{9, 1, 2, 50, 0, 1, 2, 60, 9, 1, 2}, 1), ElementsAre(50));
  EXPECT_THAT(prompt_lookup(Tokens{1, 2, 50, 1, 2, 60, 1, 2}, 1), ElementsAre(60));
}

TEST(PromptLookup, SaysNothingWithoutAPlace) {
  EXPECT_THAT(prompt_lookup(Tokens{}, 4), IsEmpty());
  EXPECT_THAT(prompt_lookup(Tokens{1, 1}, 4), IsEmpty());
  EXPECT_THAT(prompt_lookup(Tokens{1, 2, 3, 4, 2}, 4), IsEmpty()) << "one token says too little";
}

TEST(PromptLookup, LooksBackOverABoundedNumberOfTokens) {
  Tokens tokens{-1, -2, -3};
  for (TokenId i = 0; i < 9000; ++i) tokens.push_back(i);
  tokens.insert(tokens.end(), {-1, -2});
  EXPECT_THAT(prompt_lookup(tokens, 1), IsEmpty());
}

}  // namespace
}  // namespace troupe::runtime
