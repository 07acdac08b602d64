// Some steps in a row of a simulation, for a person to look at: of all such stretches of the first replica, the one in which
// most sequences lost their blocks, and then the one that mixes most prompts with decoding. Memory grows with the stretch
// alone. Owned by one thread.
#pragma once

#include <vector>

#include "runtime/lab/simulation.hpp"

namespace troupe::runtime::lab {

struct ShownPart {
  SequenceId sequence = 0;
  std::int32_t rows = 0;
  bool prompt = false;  // or what is computed again; else a next token and its drafts
};

struct ShownStep {
  StepId step = 0;
  double begins = 0, ends = 0;  // seconds
  std::vector<ShownPart> parts{};
  std::vector<SequenceId> preempted{};
};

class StepWindow {
 public:
  explicit StepWindow(std::size_t steps) : steps_(steps) {}

  void add(const SimulatedStep& step, const Simulation& simulation);
  // At most so many steps as it was made for.
  const std::vector<ShownStep>& shown() const { return score(current_) > score(best_) ? current_ : best_; }

 private:
  using Score = std::pair<std::size_t, std::size_t>;  // preempted, and parts of steps that mix
  static Score score(const std::vector<ShownStep>& steps);

  std::size_t steps_;
  std::vector<ShownStep> current_, best_;
};

}  // namespace troupe::runtime::lab
