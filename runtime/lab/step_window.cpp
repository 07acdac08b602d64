#include "runtime/lab/step_window.hpp"

#include <algorithm>

namespace troupe::runtime::lab {

void StepWindow::add(const SimulatedStep& step, const Simulation& simulation) {
  if (step.replica != 0) return;
  if (current_.size() == steps_) {
    if (score(current_) > score(best_)) best_ = std::move(current_);
    current_.clear();
  }
  ShownStep& shown = current_.emplace_back(ShownStep{step.plans.front().step, step.begins, step.ends});
  for (const StepPlan& plan : step.plans) {
    for (SequenceId id : plan.forget)
      if (simulation.is_live(id)) shown.preempted.push_back(id);
    for (const Extend& part : plan.extend)
      shown.parts.push_back({part.sequence, part.rows, part.rows > 1 + part.drafts || !part.samples});
  }
}

StepWindow::Score StepWindow::score(const std::vector<ShownStep>& steps) {
  Score score;
  for (const ShownStep& each : steps) {
    score.first += each.preempted.size();
    const auto prompts = std::size_t(std::ranges::count(each.parts, true, &ShownPart::prompt));
    if (prompts > 0) score.second += std::min(each.parts.size(), 4 * prompts);
  }
  return score;
}

}  // namespace troupe::runtime::lab
