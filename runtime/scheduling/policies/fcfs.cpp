// First come, first served: the oldest sequence takes all it wants, prompt or decode, then the next. A short prompt waits
// for the long one before it.
#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Fcfs final : public BatchPolicy {
 public:
  std::string_view name() const override { return "fcfs"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    order_.clear();
    for (const SequenceView& each : view.sequences) order_.push_back(&each);
    share_all(order_, token_budget, out);
  }

 private:
  Order order_;  // kept between steps for its memory
};

const bool registered = register_policy(
    "fcfs", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> { return std::make_unique<Fcfs>(); });

}  // namespace
}  // namespace troupe::runtime
