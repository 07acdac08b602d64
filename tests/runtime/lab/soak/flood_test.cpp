#include "runtime/lab/soak/flood.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/lab/soak/promise.hpp"

namespace troupe::runtime::lab {
namespace {

TEST(Flood, FairPoliciesAnswerWhoeverWaits) {
  for (const std::string& policy : fair_policies())
    for (std::uint64_t seed = 0; seed < 50; ++seed)
      EXPECT_NO_THROW(drown(policy, seed)) << policy << ", seed " << seed;
}

// One at a time: callers but one first, and the youngest of those.
class UnfairToOneCaller final : public BatchPolicy {
 public:
  std::string_view name() const override { return "unfair_to_one_caller"; }
  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    const SequenceView* best = nullptr;
    for (const SequenceView& each : view.sequences)
      if (each.pending > 0 && (!best || each.caller != 0 || best->caller == 0)) best = &each;
    if (best) out.shares.push_back({best->id, std::min(best->pending, token_budget)});
  }
};

TEST(Flood, FindsOutAPolicyThatStarves) {
  int starved = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) try {
      drown([] { return std::make_unique<UnfairToOneCaller>(); }, seed);
    } catch (const BrokenPromise& promise) {
      EXPECT_NE(std::string(promise.what()).find("a request starves"), std::string::npos);
      ++starved;
    }
  EXPECT_GT(starved, 0);
}

}  // namespace
}  // namespace troupe::runtime::lab
