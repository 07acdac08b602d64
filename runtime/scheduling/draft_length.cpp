#include "runtime/scheduling/draft_length.hpp"

#include <algorithm>

namespace troupe::runtime {
namespace {

constexpr double memory = 0.9;         // of what was known, when a draft was tried
constexpr double worth = 0.25;         // tokens that a draft must bring where nobody knows what its row costs
constexpr double margin = 1.1;         // by which a draft must pay: both sides are estimates
constexpr double start_margin = 1.05;  // by which the prediction layer must, before it is run again
constexpr std::uint64_t trial_interval =
    8192;                              // steps without it, after which it is tried again: machines change
constexpr double step_memory = 0.998;  // of the steps before, when one was learned

}  // namespace

// A layer that was trained with its model is right in 85 to 90 % (DeepSeek-V3, arXiv:2412.19437, section 5.4.3); to find
// that it is not costs runs over whole prompts. How often a text repeats itself depends on the text.
Acceptance Acceptance::of(DraftMethod method) {
  return method == DraftMethod::mtp ? Acceptance(0.8, 0.001) : Acceptance();
}

// The first one that is wrong ends the try: those behind it say nothing.
void Acceptance::tried(std::int32_t drafts, std::int32_t accepted) {
  for (std::int32_t i = 0; i < std::min(drafts, accepted + 1); ++i) {
    double& right = right_[place(i)];
    right = memory * right + (i < accepted ? 1 - memory : 0);
  }
}

void Acceptance::rested(std::int32_t drafts) {
  for (std::size_t i = std::size_t(std::max(drafts, 0)); i < places_; ++i)
    right_[i] = std::max(right_[i], right_[i] + recovery_ * (hope_ - right_[i]));
}

double Acceptance::probability(std::int32_t length) const {
  double all = 1;
  for (std::int32_t i = 0; i < length; ++i) all *= right_[place(i)];
  return all;
}

std::int32_t Acceptance::worthy_length(std::int32_t most) const {
  std::int32_t length = 1;
  while (length < most && probability(length + 1) >= worth) ++length;
  return length;
}

DraftedStep choose_draft_lengths(std::span<Drafted> sequences, const StepWork& work, bool predicts,
                                 const StepCosts& costs) {
  const auto takes = [&](const StepWork& all) {
    return costs.step.seconds(all) + (predicts ? costs.prediction.seconds(all) : 0);
  };
  StepWork all = work;
  DraftedStep step{0, double(sequences.size()), costs.step.seconds(all)};
  const std::int32_t most = sequences.empty() ? 0 : std::ranges::max(sequences, {}, &Drafted::most).most;
  for (std::int32_t length = 1; length <= most; ++length) {
    const double rate = margin * step.tokens / std::max(step.seconds, 1e-9);  // what a second must bring
    const StepWork run{double(sequences.size()), all.attended, double(sequences.size())};
    StepWork with = all;
    double gains = 0, seconds = predicts && length > 1 ? costs.prediction.seconds(run) : 0;
    for (Drafted& each : sequences) {
      if (each.drafts + 1 != length || length > each.most) continue;
      const StepWork row = StepWork::of(1, each.computed + length, 1);
      const double gain = each.acceptance->probability(length);
      const double row_takes = takes(with + row) - takes(with);
      if (gain < rate * row_takes) continue;
      each.drafts = length;
      with = with + row;
      gains += gain;
      seconds += row_takes;
    }
    if (gains == 0 || gains < rate * seconds) {  // all of them together do not pay for the run
      for (Drafted& each : sequences) each.drafts = std::min(each.drafts, length - 1);
      break;
    }
    all = with;
    step = {length, step.tokens + gains, step.seconds + seconds};
  }
  return step;
}

void PredictionSwitch::learn(double prompt_rows, double tokens) {
  prompt_rows_ = step_memory * prompt_rows_ + prompt_rows;
  tokens_ = step_memory * tokens_ + tokens;
}

// By what a token takes, its share of a step in which all decode and its share of prompts, with the layer and without.
bool PredictionSwitch::decide(std::span<Drafted> sequences, const StepCosts& costs) {
  if (sequences.empty()) return on_;
  if (!on_ && ++off_ % trial_interval == 0) trial_ = costs.prediction.learned() + trial_runs;
  if (costs.prediction.learned() < trial_) return on_ = true;
  StepWork work;
  std::int64_t computed = 0;
  for (const Drafted& each : sequences) {
    work = work + StepWork::of(1, each.computed, 1);
    computed += each.computed;
  }
  const auto half = std::int32_t(computed / std::int64_t(sequences.size()) / 2);  // of a prompt, on average
  const double prompts = prompt_rows_ / std::max(tokens_, 1.0);
  const double prompt_row = costs.step.row_seconds(half), prediction_row = costs.prediction.row_seconds(half);
  const double without = costs.step.seconds(work) / double(sequences.size()) + prompts * prompt_row;
  const DraftedStep step = choose_draft_lengths(sequences, work, true, costs);
  const double with =
      (step.seconds + costs.prediction.seconds(work)) / step.tokens + prompts * (prompt_row + prediction_row);
  return on_ = with * (on_ ? 1 : start_margin) < without;
}

}  // namespace troupe::runtime
