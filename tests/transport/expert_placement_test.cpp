#include "transport/expert_placement.hpp"

#include <gtest/gtest.h>

#include <string>

namespace troupe::transport {
namespace {

TEST(ExpertPlacement, SpreadsInOrderAndEvenly) {
  const ExpertPlacement even = ExpertPlacement::spread(8, 4);
  EXPECT_EQ(even.holders, (std::vector<std::vector<std::int32_t>>{{0}, {0}, {1}, {1}, {2}, {2}, {3}, {3}}));
  for (const std::int64_t experts : {5, 7, 16, 256})
    for (const int ranks : {1, 2, 4}) {
      const ExpertPlacement spread = ExpertPlacement::spread(experts, ranks);
      EXPECT_TRUE(check_placement(spread, experts, ranks));
      for (int rank = 0; rank < ranks; ++rank)
        for (std::int64_t expert = 0; expert < experts; ++expert)
          EXPECT_EQ(spread.holds(rank, expert),
                    expert >= rank * experts / ranks && expert < (rank + 1) * experts / ranks);
    }
  EXPECT_EQ(ExpertPlacement::spread(0, 2).experts(), 0);
}

TEST(ExpertPlacement, HoldersShareTheTokens) {
  const ExpertPlacement placement{{{1}, {0, 2, 3}}};
  for (int source = 0; source < 4; ++source) {
    std::vector<int> tokens_of(4, 0);
    for (std::int64_t token = 0; token < 30; ++token) {
      EXPECT_EQ(placement.owner(0, source, token), 1);
      ++tokens_of[std::size_t(placement.owner(1, source, token))];
    }
    EXPECT_EQ(tokens_of, (std::vector<int>{10, 0, 10, 10}));
  }
  // One token from each rank, as in decoding: not all to the same holder.
  EXPECT_NE(placement.owner(1, 0, 0), placement.owner(1, 1, 0));
}

TEST(ExpertPlacement, RefusesWhatCannotBe) {
  const auto refusal = [](std::vector<std::vector<std::int32_t>> holders) -> std::string {
    const auto possible = check_placement({std::move(holders)}, 3, 4);
    return possible ? "" : possible.error().message;
  };
  EXPECT_EQ(refusal({{0, 3}, {1, 2, 3}, {0}}), "");
  EXPECT_EQ(refusal({{0}, {1}}), "a placement of 2 experts, not of 3");
  EXPECT_EQ(refusal({{0}, {}, {2}}), "expert 1 is on no rank");
  EXPECT_EQ(refusal({{0}, {1}, {2, 4}}), "expert 2 is on rank 4, which is not among 4");
  EXPECT_EQ(refusal({{-1}, {1}, {2}}), "expert 0 is on rank -1, which is not among 4");
  EXPECT_EQ(refusal({{0, 1, 1}, {1}, {2}}), "expert 0 is twice on rank 1");
  EXPECT_EQ(refusal({{0}, {3, 1}, {2}}), "expert 1: its ranks do not ascend");
  EXPECT_EQ(refusal({{0}, {1, 3, 1}, {2}}), "expert 1: its ranks do not ascend");
}

}  // namespace
}  // namespace troupe::transport
