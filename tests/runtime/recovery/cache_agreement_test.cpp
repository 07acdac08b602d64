#include "runtime/recovery/cache_agreement.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using Lives = std::vector<WorkerLife>;

TEST(CacheAgreement, TheRankWithTheLeastRoomDecides) {
  CacheAgreement cache(3);
  EXPECT_EQ(cache.told({2, 1}, 50), Lives{});
  EXPECT_EQ(cache.told({0, 1}, 70), Lives{});
  EXPECT_EQ(cache.blocks(), 0);
  EXPECT_EQ(cache.told({1, 1}, 60), (Lives{{0, 1}, {1, 1}, {2, 1}}));
  EXPECT_EQ(cache.blocks(), 50);
}

TEST(CacheAgreement, ALifeThatCameBackBeforeItIsTheOneThatCounts) {
  CacheAgreement cache(2);
  EXPECT_EQ(cache.told({0, 1}, 10), Lives{});
  EXPECT_EQ(cache.told({0, 2}, 90), Lives{});
  EXPECT_EQ(cache.told({1, 1}, 80), (Lives{{0, 2}, {1, 1}}));
  EXPECT_EQ(cache.blocks(), 80);
}

TEST(CacheAgreement, StaysWhenARankComesBack) {
  CacheAgreement cache(2);
  cache.told({0, 1}, 10);
  cache.told({1, 1}, 10);
  EXPECT_EQ(cache.told({1, 2}, 5), (Lives{{1, 2}}));
  EXPECT_EQ(cache.blocks(), 10);
}

}  // namespace
}  // namespace troupe::runtime
