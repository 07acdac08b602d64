#include "tests/recovery/simulation.hpp"

#include <gtest/gtest.h>

#include "runtime/base/log.hpp"

namespace troupe::simulation {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint64_t seeds = 1000;
#else
constexpr std::uint64_t seeds = 20'000;
#endif

TEST(Simulation, EveryLifeEndsWell) {
  set_log_level(LogLevel::off);
  Outcome sum;
  int gave_up = 0, killers = 0, guilty = 0, innocent = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Outcome outcome = simulate(seed);
    ASSERT_EQ(outcome.broken, "") << "seed " << seed;
    sum.faults += outcome.faults;
    sum.epochs += outcome.epochs;
    sum.restarts += outcome.restarts;
    sum.tokens += outcome.tokens;
    gave_up += !outcome.gave_up.empty();
    killers += outcome.had_killer;
    guilty += outcome.guilty;
    innocent += outcome.innocent;
  }
  // It is no test of a replica to which nothing happens.
  EXPECT_GT(sum.faults, 3 * int(seeds));
  EXPECT_GT(sum.epochs, 4 * seeds);
  EXPECT_GT(sum.restarts, seeds / 2);
  EXPECT_GT(sum.tokens, 40 * seeds);
  EXPECT_LT(gave_up, int(seeds) / 5);
  EXPECT_GT(gave_up, 0);
  EXPECT_GT(guilty, killers / 2) << "others left before, or the replica gave up";
  // Of whom somebody killed ranks twice while they were computed alone.
  EXPECT_LT(innocent, int(seeds) / 100);
}

// Each once ended otherwise: twice a step that one rank of the two lost and then the other, a life that was called over
// while a slow rank's last result was under way, and two where every step committed while the next one was asked for.
TEST(Simulation, LivesThatOnceEndedBadly) {
  set_log_level(LogLevel::off);
  for (const std::uint64_t seed : {1724023, 1971020, 1140288, 350, 2283})
    EXPECT_EQ(simulate(seed).broken, "") << "seed " << seed;
}

TEST(Simulation, ASeedAlwaysLivesThroughTheSame) {
  set_log_level(LogLevel::off);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome once = simulate(seed), again = simulate(seed);
    EXPECT_EQ(once.mails, again.mails);
    EXPECT_EQ(once.epochs, again.epochs);
    EXPECT_EQ(once.tokens, again.tokens);
  }
}

}  // namespace
}  // namespace troupe::simulation
