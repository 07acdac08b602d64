#include "runtime/scheduling/draft_length.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::runtime {
namespace {

constexpr double memory = 0.9;  // of what was known, when a draft was tried
constexpr double worth = 0.25;  // tokens that a draft must bring where nobody knows what its row costs
constexpr double margin = 1.1;  // by which a draft must pay: both sides are estimates

}  // namespace

// A layer that was trained with its model is right in 85 to 90 % (DeepSeek-V3, arXiv:2412.19437, section 5.4.3); to find
// that it is not costs runs over whole prompts. How often a text repeats itself depends on the text.
Acceptance Acceptance::of(DraftMethod method) {
  return method == DraftMethod::mtp ? Acceptance(0.8, 0.001) : Acceptance();
}

// The first one that is wrong ends the try: those behind it say nothing.
void Acceptance::tried(std::int32_t drafts, std::int32_t accepted) {
  for (std::int32_t i = 0; i < std::min(drafts, accepted + 1); ++i)
    probability_ = memory * probability_ + (i < accepted ? 1 - memory : 0);
}

void Acceptance::rested() {
  probability_ = std::max(probability_, probability_ + recovery_ * (hope_ - probability_));
}

std::int32_t Acceptance::worthy_length(std::int32_t most) const {
  std::int32_t length = 1;
  for (double right = probability_ * probability_; length < most && right >= worth; right *= probability_)
    ++length;
  return length;
}

std::int32_t choose_draft_lengths(std::span<Drafted> sequences, const StepWork& work, bool predicts,
                                  const StepCosts& costs) {
  StepWork all = work;
  const bool priced = predicts && costs.prediction.known();
  double seconds = costs.step.seconds(all), tokens = double(sequences.size());
  std::int32_t chosen = 0;
  const std::int32_t most = sequences.empty() ? 0 : std::ranges::max(sequences, {}, &Drafted::most).most;
  for (std::int32_t length = 1; length <= most; ++length) {
    const double rate = margin * tokens / std::max(seconds, 1e-9);  // what a second must bring
    const StepWork predicted = length == 1 ? work : StepWork{double(sequences.size()), all.attended};
    StepWork with = all;
    double gains = 0, takes = priced ? costs.prediction.seconds(predicted) : 0;
    for (Drafted& each : sequences) {
      if (each.drafts + 1 != length || length > each.most) continue;
      const StepWork row = StepWork::of(1, each.computed + length);
      const double gain = std::pow(each.probability, length);
      const double row_takes = costs.step.seconds(with + row) - costs.step.seconds(with);
      if (gain < rate * row_takes) continue;
      each.drafts = length;
      with = with + row;
      gains += gain;
      takes += row_takes;
    }
    if (gains == 0 || gains < rate * takes) {  // all of them together do not pay for the run
      for (Drafted& each : sequences) each.drafts = std::min(each.drafts, length - 1);
      break;
    }
    all = with;
    seconds += takes;
    tokens += gains;
    chosen = length;
  }
  return chosen;
}

}  // namespace troupe::runtime
