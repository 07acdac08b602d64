#include "actors/edge/callers/token_bucket.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace troupe::actors::edge {
namespace {

using namespace std::chrono_literals;

const TimePoint start{1000s};

TEST(TokenBucket, FillsEvenlyAndHoldsAMinutesWorth) {
  TokenBucket bucket(60, start);
  EXPECT_EQ(bucket.limit(), 60);
  EXPECT_TRUE(bucket.take(60, start));
  EXPECT_FALSE(bucket.take(1, start));
  EXPECT_EQ(bucket.remaining(start + 999ms), 0);
  EXPECT_EQ(bucket.remaining(start + 1s), 1);
  EXPECT_EQ(bucket.wait_for(10, start + 4s), 6s);
  EXPECT_EQ(bucket.until_full(start), 60s);
  EXPECT_EQ(bucket.remaining(start + 1h), 60);
  EXPECT_EQ(bucket.until_full(start + 1h), 0s);
}

TEST(TokenBucket, WhatWasNotUsedComesBack) {
  TokenBucket bucket(100, start);
  EXPECT_TRUE(bucket.take(80, start));
  bucket.give_back(70, start);
  EXPECT_EQ(bucket.remaining(start), 90);
  bucket.give_back(70, start);
  EXPECT_EQ(bucket.remaining(start), 100);
}

TEST(TokenBucket, MoreThanWasTakenIsADebt) {
  TokenBucket bucket(60, start);
  EXPECT_TRUE(bucket.take(60, start));
  bucket.give_back(-30, start);
  EXPECT_EQ(bucket.remaining(start), 0);
  EXPECT_EQ(bucket.wait_for(1, start), 31s);
}

TEST(TokenBucket, ANewLimitForgetsNothing) {
  TokenBucket bucket(100, start);
  EXPECT_TRUE(bucket.take(90, start));
  bucket.set_limit(50, start);
  EXPECT_EQ(bucket.remaining(start), 0);  // 90 of 50 are used
  bucket.set_limit(200, start);
  EXPECT_EQ(bucket.remaining(start), 110);
}

// Over any span no more is given than the limit and what fills in meanwhile; and a wait that is told suffices.
RC_GTEST_PROP(TokenBucket, GivesNoMoreThanItsRate, ()) {
  const std::int64_t limit = *rc::gen::inRange<std::int64_t>(1, 1000);
  TokenBucket bucket(limit, start);
  std::int64_t taken = 0;
  TimePoint now = start;
  for (const auto& [amount, pause] : *rc::gen::container<std::vector<std::pair<int, int>>>(
           rc::gen::pair(rc::gen::inRange(1, 1000), rc::gen::inRange(0, 5000)))) {
    now += std::chrono::milliseconds(pause);
    const auto wanted = std::min<std::int64_t>(amount, limit);
    if (bucket.take(wanted, now)) {
      taken += wanted;
    } else {
      const Duration wait = bucket.wait_for(wanted, now);
      RC_ASSERT(wait > Duration::zero());
      TokenBucket later = bucket;
      RC_ASSERT(later.take(wanted, now + wait));
    }
    const double seconds = std::chrono::duration<double>(now - start).count();
    RC_ASSERT(double(taken) <= double(limit) * (1 + seconds / 60) + 1e-3);
  }
}

}  // namespace
}  // namespace troupe::actors::edge
