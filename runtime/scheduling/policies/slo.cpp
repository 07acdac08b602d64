// As much of prompts as deadlines allow (Niyama, arXiv 2503.22562; SLOs-Serve, arXiv 2504.08784): a step may take as long as the decoding sequence
// whose token is due first can wait, so that prompts are computed in chunks that are long while there is time. Prompts go by
// their deadlines, and those that have missed theirs wait for all others. Where it departs: a step's time is foreseen by what
// the scheduler has learned of steps, and only option margin (half) of the time that is left is used, since another step may
// be in flight; who holds blocks keeps them.
#include <algorithm>

#include "runtime/scheduling/policies/deadline.hpp"
#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Slo final : public BatchPolicy {
 public:
  explicit Slo(PolicyOptions& options)
      : otherwise_(levels_of(options)), margin_(options.number("margin", 0.5, 0.01, 1)) {}
  std::string_view name() const override { return "slo"; }

  void propose(const SchedulerView& view, std::int32_t, Proposal& out) override {
    order_.clear();
    prompts_.clear();
    for (const SequenceView& each : view.sequences)
      if (each.decoding)
        order_.push_back(&each);
      else
        prompts_.emplace_back(due(each, otherwise_), &each);
    const std::int32_t budget = budget_of(view);
    std::ranges::stable_sort(prompts_, {}, [&](const Due& each) {
      return std::pair(each.first < view.now, each.first);  // what has missed its time comes last
    });
    for (const auto& [due, each] : prompts_) order_.push_back(each);
    out.token_budget = budget;
    share_keeping_blocks(view, order_, budget, out);
  }

 private:
  using Due = std::pair<TimePoint, const SequenceView*>;

  // order_: those that decode.
  std::int32_t budget_of(const SchedulerView& view) const {
    constexpr std::int32_t fewest = 16;  // tokens of prompts: they go on, however late a stream is
    if (!view.cost) return view.most_tokens;
    StepWork decoding;
    Duration slack = Duration::max();  // of those that are not late already
    for (const SequenceView* each : order_) {
      decoding = decoding + StepWork::of(1, each->computed, 1);
      if (const TimePoint at = due(*each, otherwise_); at >= view.now) slack = std::min(slack, at - view.now);
    }
    if (slack == Duration::max()) return view.most_tokens;
    std::int32_t computed = 0;  // of the prompt that is furthest
    for (const auto& [due, each] : prompts_) computed = std::max(computed, each->computed);
    const double seconds = margin_ * milliseconds(slack) / 1000;
    const std::int32_t rows = view.cost->rows_within(seconds, decoding, computed, view.most_tokens);
    return std::min(view.most_tokens, std::int32_t(decoding.rows) + std::max(rows, fewest));
  }

  ServiceLevels otherwise_;
  double margin_;
  Order order_;  // kept between steps for its memory, as the other
  std::vector<Due> prompts_;
};

const bool registered = register_policy("slo", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<Slo>(options);
});

}  // namespace
}  // namespace troupe::runtime
