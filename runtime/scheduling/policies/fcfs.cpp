// First come, first served: the oldest sequence takes all it wants, prompt or decode, then the next. A short prompt waits
// for the long one before it.
#include <algorithm>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {
namespace {

class Fcfs final : public BatchPolicy {
 public:
  std::string_view name() const override { return "fcfs"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    for (const SequenceView& each : view.sequences) {
      out.shares.push_back({each.id, std::min(each.pending, token_budget)});
      token_budget -= out.shares.back().tokens;
    }
  }
};

const bool registered = register_policy(
    "fcfs", [](PolicyOptions&) -> std::unique_ptr<BatchPolicy> { return std::make_unique<Fcfs>(); });

}  // namespace
}  // namespace troupe::runtime
