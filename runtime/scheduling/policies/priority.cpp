// The lowest priority number first, the oldest among equals: the urgent take all they want, and blocks from
// the less urgent. A stream of urgent requests starves the others; that is what is asked for.
#include <algorithm>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {
namespace {

class Priority final : public BatchPolicy {
 public:
  std::string_view name() const override { return "priority"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    order_.assign(view.sequences.begin(), view.sequences.end());
    std::ranges::stable_sort(order_, {}, &SequenceView::priority);  // the view is in order of arrival
    for (const SequenceView& each : order_) {
      out.shares.push_back({each.id, std::min(each.pending, token_budget)});
      token_budget -= out.shares.back().tokens;
    }
  }

 private:
  std::vector<SequenceView> order_;  // kept between steps for its memory
};

const bool registered = register_policy(
    "priority", []() -> std::unique_ptr<BatchPolicy> { return std::make_unique<Priority>(); });

}  // namespace
}  // namespace troupe::runtime
