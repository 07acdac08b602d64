// RapidCheck shrinks what breaks a promise to the fewest decisions.
#include "runtime/lab/soak/ordeal.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "runtime/lab/soak/promise.hpp"
#include "runtime/lab/soak/soak.hpp"

namespace troupe::runtime::lab {
namespace {

class EveryPolicy : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryPolicy, GivesEachSequenceWhatItGetsAlone) {
  const bool held = rc::check([&] {
    Chance chance(*rc::gen::scale(40, rc::gen::arbitrary<std::vector<std::uint32_t>>()));
    Tally tally;
    const std::int32_t groups = 1 << chance.below(3);
    Ordeal(chance, GetParam(), groups, tally).run();
  });
  EXPECT_TRUE(held);
}

TEST_P(EveryPolicy, KeepsItsPromisesForLong) {
  std::mt19937 random(11);
  for (std::int32_t groups : {1, 2, 4}) {
    Tally tally;
    for (int life = 0; life < 20; ++life) {
      std::vector<std::uint32_t> source(20000);
      for (std::uint32_t& each : source) each = random();
      Chance chance(std::move(source));
      ASSERT_NO_THROW(Ordeal(chance, GetParam(), groups, tally).run()) << groups << " groups, life " << life;
    }
    EXPECT_GT(tally.steps, 2000);
    EXPECT_GT(tally.policy_changes, 50);
    if (GetParam() == "silent") continue;  // it leaves most of that to chance
    EXPECT_GT(tally.drafts, 500);
    EXPECT_GT(tally.right_drafts, 200);
    EXPECT_LT(tally.right_drafts, tally.drafts);
    EXPECT_GT(tally.right_forced, 500);
    EXPECT_LT(tally.right_forced, tally.forced);
    EXPECT_GT(tally.overlapping, 500);
    EXPECT_GT(tally.past_the_end, 100);
    EXPECT_GT(tally.cancelled_in_flight, 200);
    EXPECT_GT(tally.broken_logits, 20);
    EXPECT_GT(tally.deaths, 20);
    EXPECT_GT(tally.killed_by_sequences, 40);
    EXPECT_GT(tally.quarantined, 20);
    EXPECT_GT(tally.resubmitted_to_full_queue, 20);
    EXPECT_GT(tally.faults_between, 10);
    EXPECT_GT(tally.faults_asked, 50);
    EXPECT_GT(tally.faults_in_flight, 50);
    EXPECT_GT(tally.late_replies, 20);
    EXPECT_GT(tally.dropped_replies, 20);
    EXPECT_GT(tally.stale_results, 500);
    EXPECT_GT(tally.kept_through_fault, 200);
    EXPECT_GT(tally.told_prompts, 100);
    EXPECT_GT(tally.preemptions, 100);
    EXPECT_GT(tally.replayed_tokens, 300);
    EXPECT_GT(tally.prefix_hits, 5000);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryPolicy, ::testing::ValuesIn(soaked_policies()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace troupe::runtime::lab
