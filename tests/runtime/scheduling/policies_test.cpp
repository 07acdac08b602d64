#include "runtime/scheduling/policies/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;

// In order of arrival: a long prompt, a decode, a short urgent prompt, a decode.
const std::vector<SequenceView> sequences{{1, 100, false, true, 5, 1},
                                          {2, 1, true, true, 5, 2},
                                          {3, 4, false, false, 0, 3},
                                          {4, 1, true, true, 9, 4}};

std::vector<std::pair<SequenceId, int>> proposal(std::string_view policy, std::int32_t budget) {
  Proposal out;
  make_policy(policy)->propose({sequences}, budget, out);
  std::vector<std::pair<SequenceId, int>> shares;
  for (const Share& share : out.shares) shares.emplace_back(share.sequence, share.tokens);
  return shares;
}

using P = std::pair<SequenceId, int>;

TEST(Policies, FcfsServesInOrderOfArrival) {
  EXPECT_THAT(proposal("fcfs", 8), ElementsAre(P{1, 8}, P{2, 0}, P{3, 0}, P{4, 0}));
  EXPECT_THAT(proposal("fcfs", 103), ElementsAre(P{1, 100}, P{2, 1}, P{3, 2}, P{4, 0}));
}

TEST(Policies, DecodeFirstLetsDecodingPassALongPrompt) {
  EXPECT_THAT(proposal("decode_first", 6), ElementsAre(P{2, 1}, P{4, 1}, P{1, 2}, P{3, 2}));
}

TEST(Policies, DecodeFirstLeavesHalfOfTheRestToShortPrompts) {
  EXPECT_THAT(proposal("decode_first", 50), ElementsAre(P{2, 1}, P{4, 1}, P{1, 44}, P{3, 4}));
  EXPECT_THAT(proposal("decode_first", 106), ElementsAre(P{2, 1}, P{4, 1}, P{1, 100}, P{3, 4}));
}

TEST(Policies, DecodeFirstComputesTheShortestReplaysFirstThenPrompts) {
  const std::vector<SequenceView> after_a_fault{{1, 100, false, false, 5, 1, false},
                                                {2, 50, false, false, 5, 2, true},
                                                {3, 20, false, false, 5, 3, true},
                                                {4, 1, true, true, 5, 4, true}};
  Proposal out;
  make_policy("decode_first")->propose({after_a_fault}, 64, out);
  std::vector<P> shares;
  for (const Share& share : out.shares) shares.emplace_back(share.sequence, share.tokens);
  EXPECT_THAT(shares, ElementsAre(P{4, 1}, P{3, 20}, P{2, 43}, P{1, 0}));
}

TEST(Policies, PriorityServesLowNumbersThenOldOnes) {
  EXPECT_THAT(proposal("priority", 105), ElementsAre(P{3, 4}, P{1, 100}, P{2, 1}, P{4, 0}));
}

TEST(Policies, ArePickedByName) {
  EXPECT_THAT(policy_names(), ElementsAre("decode_first", "fcfs", "priority"));
  for (const std::string& name : policy_names()) EXPECT_EQ(make_policy(name)->name(), name);
  try {
    make_policy("lottery");
    FAIL() << "an unknown policy was made";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "unknown batch policy 'lottery'; known: decode_first fcfs priority");
  }
}

}  // namespace
}  // namespace troupe::runtime
