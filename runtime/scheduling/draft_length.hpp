// How many drafts a step verifies for each sequence, where that adapts: as long as a draft is likely to bring more tokens
// in the time that its row takes than the step brings without it.
#pragma once

#include <span>

#include "runtime/base/speculation.hpp"
#include "runtime/scheduling/step_cost.hpp"

namespace troupe::runtime {

// How likely a sequence's next draft is right, from those before it.
class Acceptance {
 public:
  // hope: until drafts were tried, and again long after. recovery: of what is missing to it, a step without a draft.
  explicit Acceptance(double hope = 0.5, double recovery = 0.005)
      : hope_(hope), recovery_(recovery), probability_(hope) {}
  static Acceptance of(DraftMethod method);
  void tried(std::int32_t drafts, std::int32_t accepted);
  void rested();  // nothing was tried: what was true may be so no more, and is tried again after a while
  double probability() const { return probability_; }
  // So many drafts that the last one is worth its row; at least 1, so that it is tried again.
  std::int32_t worthy_length(std::int32_t most) const;

 private:
  double hope_, recovery_;
  double probability_;
};

struct Drafted {
  double probability = 0;
  std::int32_t computed = 0;  // tokens in the cache: what a row attends to
  std::int32_t most = 0;      // drafts that it may have
  std::int32_t drafts = 0;    // out
};

// work: of the step without drafts, which brings one token for each of `sequences`. predicts: the first draft takes a run of
// the prediction layer over all rows of the step, each further one a run over one row a sequence; while no run has been measured, one is tried. Returns the
// longest.
std::int32_t choose_draft_lengths(std::span<Drafted> sequences, const StepWork& work, bool predicts,
                                  const StepCosts& costs);

}  // namespace troupe::runtime
