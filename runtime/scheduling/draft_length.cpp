#include "runtime/scheduling/draft_length.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::runtime {
namespace {

constexpr double memory = 0.9;      // of what was known, when a draft was tried
constexpr double recovery = 0.005;  // of what is missing to `hope`, a step without a draft
constexpr double hope = 0.5;
constexpr double margin = 1.1;  // by which a draft must pay: both sides are estimates

}  // namespace

// The first one that is wrong ends the try: those behind it say nothing.
void Acceptance::tried(std::int32_t drafts, std::int32_t accepted) {
  for (std::int32_t i = 0; i < std::min(drafts, accepted + 1); ++i)
    probability_ = memory * probability_ + (i < accepted ? 1 - memory : 0);
}

void Acceptance::rested() {
  probability_ = std::max(probability_, probability_ + recovery * (hope - probability_));
}

void choose_draft_lengths(std::span<Drafted> sequences, const StepWork& work, const StepCost& cost) {
  StepWork all = work;
  double tokens = double(sequences.size());
  const std::int32_t most = sequences.empty() ? 0 : std::ranges::max(sequences, {}, &Drafted::most).most;
  for (std::int32_t length = 1; length <= most; ++length) {
    const double rate = tokens / std::max(cost.seconds(all), 1e-9);
    for (Drafted& each : sequences) {
      if (each.drafts + 1 != length || length > each.most) continue;
      const StepWork row = StepWork::of(1, each.computed + length);
      const double gain = std::pow(each.probability, length);
      const double takes = cost.seconds(all + row) - cost.seconds(all);
      if (gain < margin * rate * takes) continue;
      each.drafts = length;
      all = all + row;
      tokens += gain;
    }
  }
}

}  // namespace troupe::runtime
