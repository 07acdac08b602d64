#include "runtime/lab/fairness.hpp"

#include <algorithm>

namespace troupe::runtime::lab {

Fairness::Caller* Fairness::find(std::uint64_t caller) {
  const auto found = places_.find(caller);
  if (found != places_.end()) return &callers_[found->second];
  if (callers_.size() == most_compared_callers) return nullptr;
  places_.emplace(caller, callers_.size());
  stretches_.resize(most_compared_callers * most_compared_callers);
  return &callers_.emplace_back();
}

void Fairness::waits(std::uint64_t caller) {
  if (Caller* each = find(caller)) ++each->waiting;
}

void Fairness::admitted(std::uint64_t caller, std::int32_t prompt_tokens) {
  gave_up(caller);
  if (Caller* each = find(caller)) each->served += input_weight_ * prompt_tokens;
}

void Fairness::gave_up(std::uint64_t caller) {
  if (Caller* each = find(caller)) --each->waiting;
}

void Fairness::served(std::uint64_t caller) {
  if (Caller* each = find(caller)) each->served += output_weight_;
}

void Fairness::look() {
  for (std::size_t a = 0; a + 1 < callers_.size(); ++a)
    for (std::size_t b = a + 1; b < callers_.size(); ++b) {
      Stretch& stretch = stretches_[a * most_compared_callers + b];
      if (callers_[a].waiting == 0 || callers_[b].waiting == 0) {
        stretch.open = false;
        continue;
      }
      const double difference = callers_[a].served - callers_[b].served;
      if (!stretch.open) stretch = {true, difference, difference};
      stretch.least = std::min(stretch.least, difference);
      stretch.most = std::max(stretch.most, difference);
      largest_ = std::max(largest_, stretch.most - stretch.least);
    }
}

}  // namespace troupe::runtime::lab
