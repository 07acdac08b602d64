// Earliest deadline first (Liu and Layland, JACM 1973): tokens of a step go to the sequences whose next token is due first, by
// the times that their requests ask for, or by options ttft_ms and tpot_ms. As a deadline does not move while one waits,
// nobody waits for ever. Where it departs: who holds blocks keeps them, since taking them would cost a whole prompt.
#include <algorithm>

#include "runtime/scheduling/policies/deadline.hpp"
#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Edf final : public BatchPolicy {
 public:
  explicit Edf(PolicyOptions& options) : otherwise_(levels_of(options)) {}
  std::string_view name() const override { return "edf"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    by_due_.clear();
    for (const SequenceView& each : view.sequences) by_due_.emplace_back(due(each, otherwise_), &each);
    std::ranges::stable_sort(by_due_, {}, &Due::first);
    order_.clear();
    for (const auto& [due, each] : by_due_) order_.push_back(each);
    share_keeping_blocks(view, order_, token_budget, out);
  }

 private:
  using Due = std::pair<TimePoint, const SequenceView*>;
  ServiceLevels otherwise_;
  std::vector<Due> by_due_;  // kept between steps for its memory, as the other
  Order order_;
};

const bool registered = register_policy("edf", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<Edf>(options);
});

}  // namespace
}  // namespace troupe::runtime
