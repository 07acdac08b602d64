// Longest prefix match (SGLang, NeurIPS 2024): of those that wait, the one whose prompt begins with the most cached tokens is
// admitted first, before what is cached for it is evicted. Where it departs: as there, but that at most 128 of those that wait
// are looked up in a step, the oldest, instead of none once they are more.
#include <algorithm>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Lpm final : public BatchPolicy {
 public:
  std::string_view name() const override { return "lpm"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    order_running_first(view, order_);
    std::ranges::stable_sort(waiting_part(order_), std::ranges::greater(), &SequenceView::computed);
    share_keeping_blocks(view, order_, token_budget, out);
  }

 private:
  Order order_;  // kept between steps for its memory
};

const bool registered = register_policy(
    "lpm", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> { return std::make_unique<Lpm>(); });

}  // namespace
}  // namespace troupe::runtime
