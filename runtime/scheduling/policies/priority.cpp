// The lowest priority number first, the oldest among equals: the urgent take all they want, and blocks from
// the less urgent. With option ageing_ms=N, N milliseconds of waiting count as one level of priority, so that nobody waits for
// ever; without it a stream of urgent requests starves the others, as it does in vLLM. Where it departs: a level gained by
// waiting is kept, also while it runs.
#include <algorithm>

#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Priority final : public BatchPolicy {
 public:
  explicit Priority(PolicyOptions& options) : ageing_ms_(options.whole("ageing_ms", 0, 0, 1'000'000'000)) {}

  std::string_view name() const override { return "priority"; }
  bool by_priority() const override { return true; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    order_.clear();
    for (const SequenceView& each : view.sequences) order_.push_back(&each);
    // The view is in order of arrival.
    share_all_by([&](const SequenceView& each) { return rank(each); }, order_, token_budget, out);
  }

 private:
  // Who waits since t milliseconds has gained t / ageing_ms levels: between two, the difference is always the same.
  double rank(const SequenceView& each) const {
    if (ageing_ms_ == 0) return each.priority;
    return double(each.priority) * double(ageing_ms_) + milliseconds(each.arrived.time_since_epoch());
  }

  std::int64_t ageing_ms_;
  Order order_;  // kept between steps for its memory
};

const bool registered =
    register_policy("priority", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
      return std::make_unique<Priority>(options);
    });

}  // namespace
}  // namespace troupe::runtime
