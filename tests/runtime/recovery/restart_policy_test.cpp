#include "runtime/recovery/restart_policy.hpp"

#include <gtest/gtest.h>

namespace troupe::runtime {
namespace {

using std::chrono::milliseconds;

TEST(RestartPolicy, BacksOffAndGivesUpAfterTheLimit) {
  RestartPolicy policy({3, milliseconds(0), milliseconds(50), milliseconds(80)});
  EXPECT_EQ(policy.on_death(false), milliseconds(0));
  EXPECT_EQ(policy.on_death(false), milliseconds(50));
  EXPECT_EQ(policy.on_death(false), milliseconds(80));
  EXPECT_EQ(policy.on_death(false), std::nullopt);
}

TEST(RestartPolicy, ACommittedStepStartsTheCountAgain) {
  RestartPolicy policy({2, milliseconds(1), milliseconds(50), milliseconds(80)});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(policy.on_death(true), milliseconds(1));
  EXPECT_EQ(policy.on_death(false), milliseconds(50));
  EXPECT_EQ(policy.on_death(false), std::nullopt);
}

}  // namespace
}  // namespace troupe::runtime
