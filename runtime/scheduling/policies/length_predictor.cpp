#include "runtime/scheduling/policies/length_predictor.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace troupe::runtime {
namespace {

class Oracle final : public LengthPredictor {
 public:
  std::int32_t predict(const SequenceView& sequence) override {
    return std::max(1,
                    sequence.predicted_output > 0 ? sequence.predicted_output : sequence.max_output_tokens);
  }
};

// What is predicted for a caller is made of its last answers when one of them ends.
class History final : public LengthPredictor {
 public:
  // quantile: unset for the mean.
  explicit History(std::optional<double> quantile) : quantile_(quantile) {}

  std::int32_t predict(const SequenceView& sequence) override {
    const auto caller = callers_.find(sequence.caller);
    const std::int32_t length =
        caller == callers_.end() ? sequence.max_output_tokens : caller->second.predicted;
    return std::clamp(length, 1, std::max(1, sequence.max_output_tokens));
  }

  void learn(const SequenceView& finished) override {
    if (callers_.size() >= most_remembered_callers && !callers_.contains(finished.caller)) callers_.clear();
    Caller& caller = callers_[finished.caller];
    caller.lengths.push_back(finished.outputs);
    if (caller.lengths.size() > remembered_lengths) caller.lengths.pop_front();
    caller.predicted = quantile_ ? at_quantile(caller.lengths) : mean(caller.lengths);
  }

 private:
  struct Caller {
    std::deque<std::int32_t> lengths;
    std::int32_t predicted = 0;
  };

  static std::int32_t mean(const std::deque<std::int32_t>& lengths) {
    const auto sum = std::accumulate(lengths.begin(), lengths.end(), std::int64_t(0));
    return std::int32_t(sum / std::int64_t(lengths.size()));
  }
  std::int32_t at_quantile(std::deque<std::int32_t> lengths) const {
    const auto place = lengths.begin() + std::ptrdiff_t(*quantile_ * double(lengths.size() - 1));
    std::ranges::nth_element(lengths, place);
    return *place;
  }

  std::optional<double> quantile_;
  std::unordered_map<std::uint64_t, Caller> callers_;
};

}  // namespace

std::unique_ptr<LengthPredictor> make_length_predictor(PolicyOptions& options) {
  const std::string kind = options.choice("predictor", {"oracle", "history", "quantile"});
  const double quantile = options.number("quantile", 0.9, 0, 1);
  if (kind == "oracle") return std::make_unique<Oracle>();
  return std::make_unique<History>(kind == "quantile" ? std::optional(quantile) : std::nullopt);
}

}  // namespace troupe::runtime
