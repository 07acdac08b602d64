#include "runtime/scheduling/known_prefixes.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

constexpr BlockHash a{1}, b{2}, c{3}, d{4};
const std::vector<BlockHash> chain{a, b, c};

TEST(KnownPrefixes, CountsFromTheStart) {
  KnownPrefixes known;
  known.limit(8);
  EXPECT_EQ(known.length(chain), 0u);
  known.remember(a);
  known.remember(c);
  EXPECT_EQ(known.length(chain), 1u);
  known.remember(b);
  EXPECT_EQ(known.length(chain), 3u);
  known.clear();
  EXPECT_EQ(known.length(chain), 0u);
}

TEST(KnownPrefixes, GoesOnFromWhatItWasAskedBefore) {
  KnownPrefixes known;
  known.limit(3);
  known.remember(b);
  known.remember(a);
  EXPECT_EQ(known.length(chain, 1), 2u);
  known.remember(c);
  EXPECT_EQ(known.length(chain, 2), 3u);
  known.remember(d);  // in place of b
  EXPECT_EQ(known.length(chain, 2), 1u);
}

TEST(KnownPrefixes, ForgetsTheOldestBeyondItsLimit) {
  KnownPrefixes known;
  known.remember(a);
  EXPECT_EQ(known.length(chain), 0u);
  known.limit(3);
  for (const BlockHash& hash : {c, b, a}) known.remember(hash);
  known.remember(c);  // young again
  known.remember(d);
  EXPECT_EQ(known.length(chain), 1u);
  EXPECT_EQ(known.length(std::vector{c, d}), 2u);
  known.limit(1);
  EXPECT_EQ(known.length(std::vector{d}), 1u);
  EXPECT_EQ(known.length(std::vector{c}), 0u);
}

}  // namespace
}  // namespace troupe::runtime
