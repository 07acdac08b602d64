#include "config/nearest.hpp"

#include <rapidcheck/gtest.h>

#include <vector>

namespace troupe::config {
namespace {

TEST(Nearest, DistanceCountsEdits) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("port", ""), 4u);
  EXPECT_EQ(edit_distance("prot", "port"), 1u);   // neighbours swapped
  EXPECT_EQ(edit_distance("ports", "port"), 1u);  // one too many
  EXPECT_EQ(edit_distance("pirt", "port"), 1u);   // another letter
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

RC_GTEST_PROP(Nearest, DistanceIsSymmetricAndBounded, (const std::string& a, const std::string& b)) {
  const auto distance = edit_distance(a, b);
  RC_ASSERT(distance == edit_distance(b, a));
  RC_ASSERT(distance <= std::max(a.size(), b.size()));
  RC_ASSERT((distance == 0) == (a == b));
}

TEST(Nearest, PicksTheSmallestDistance) {
  const std::vector<std::string> known{"--host", "--port", "--max-num-seqs"};
  EXPECT_EQ(nearest("--prot", known), "--port");
  EXPECT_EQ(nearest("--max-num-sqs", known), "--max-num-seqs");
  EXPECT_EQ(nearest("anything", std::vector<std::string>{}), "");
}

}  // namespace
}  // namespace troupe::config
