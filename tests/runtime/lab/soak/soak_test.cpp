#include "runtime/lab/soak/soak.hpp"

#include <gtest/gtest.h>

#include "runtime/lab/soak/promise.hpp"

namespace troupe::runtime::lab {
namespace {

class EveryPolicySoaked : public ::testing::TestWithParam<std::string> {};

// With all policies more than 20,000 lives.
TEST_P(EveryPolicySoaked, KeepsItsPromisesUnderEachSeed) {
#ifdef __SANITIZE_ADDRESS__
  constexpr std::int64_t seeds = 200;  // which live ten times as long
#else
  constexpr std::int64_t seeds = 1700;
#endif
  Tally tally;
  for (std::int64_t seed = 0; seed < seeds; ++seed)
    ASSERT_NO_THROW(soak(GetParam(), std::uint64_t(seed), tally)) << "seed " << seed;
  EXPECT_GT(tally.finished, 4 * seeds);
  EXPECT_GT(tally.faults_in_flight, seeds / 17);
  EXPECT_GT(tally.cancelled, seeds * 10 / 17);
  EXPECT_GT(tally.preemptions, seeds * 5 / 17);
  EXPECT_GT(tally.broken_logits, seeds / 34);
}
INSTANTIATE_TEST_SUITE_P(All, EveryPolicySoaked, ::testing::ValuesIn(soaked_policies()),
                         [](const auto& info) { return info.param; });

// In which two prompts, found in the cache but for a token, took each other's blocks for ever.
TEST(Soak, SeedsThatOnceBrokeAPromiseKeepIt) {
  Tally tally;
  for (std::uint64_t seed : {28072u, 76271u}) EXPECT_NO_THROW(soak("prefill_first", seed, tally)) << seed;
}

TEST(Soak, SeedsDiffer) {
  Tally tally;
  EXPECT_EQ(soak("fcfs", 7, tally), soak("fcfs", 7, tally));
  EXPECT_NE(soak("fcfs", 7, tally), soak("fcfs", 8, tally));
}

}  // namespace
}  // namespace troupe::runtime::lab
