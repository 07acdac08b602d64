// Shortest job first, by the predicted rest of the answer ("Efficient LLM Scheduling by Learning to Rank", NeurIPS 2024): who
// will be done soonest is admitted first, which makes the mean latency least and lets long answers wait, for ever if short
// ones keep coming. Where it departs: who holds blocks keeps them; the prediction is a number of tokens, by option
// predictor=oracle|history|quantile, instead of a learned rank, and an answer that outgrows it is taken to be half done; nobody
// who starves is promoted, as the paper does it.
#include <algorithm>

#include "runtime/scheduling/policies/length_predictor.hpp"
#include "runtime/scheduling/policies/shares.hpp"

namespace troupe::runtime {
namespace {

class Sjf final : public BatchPolicy {
 public:
  explicit Sjf(PolicyOptions& options) : predictor_(make_length_predictor(options)) {}
  std::string_view name() const override { return "sjf"; }

  void propose(const SchedulerView& view, std::int32_t token_budget, Proposal& out) override {
    by_rest_.clear();
    for (const SequenceView& each : view.sequences)
      by_rest_.emplace_back(std::pair(rest(each), each.pending), &each);
    std::ranges::stable_sort(by_rest_, {}, &Ranked::first);
    order_.clear();
    for (const auto& [rest, each] : by_rest_) order_.push_back(each);
    share_keeping_blocks(view, order_, token_budget, out);
  }

  void left(const SequenceView& sequence, bool finished) override {
    if (finished) predictor_->learn(sequence);
  }

 private:
  using Ranked = std::pair<std::pair<std::int32_t, std::int32_t>, const SequenceView*>;

  std::int32_t rest(const SequenceView& sequence) {
    const std::int32_t predicted = predictor_->predict(sequence);
    return predicted > sequence.outputs ? predicted - sequence.outputs : sequence.outputs;
  }

  std::unique_ptr<LengthPredictor> predictor_;
  std::vector<Ranked> by_rest_;  // kept between steps for its memory, as the other
  Order order_;
};

const bool registered = register_policy("sjf", [](PolicyOptions& options) -> std::unique_ptr<BatchPolicy> {
  return std::make_unique<Sjf>(options);
});

}  // namespace
}  // namespace troupe::runtime
