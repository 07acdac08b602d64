// How many drafts a step verifies for each sequence, where that adapts: as long as a draft is likely to bring more tokens
// in the time that its row takes than the step brings without it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "runtime/base/speculation.hpp"
#include "runtime/scheduling/step_cost.hpp"

namespace troupe::runtime {

// How likely a sequence's drafts are right, by their place: the k-th of a step, if those before it are.
class Acceptance {
 public:
  static constexpr std::size_t most_places = 8;

  // hope: until drafts were tried, and again long after. recovery: of what is missing to it, a step without a draft. places: so
  // many are told apart, those behind are as the last.
  explicit Acceptance(double hope = 0.5, double recovery = 0.005, std::size_t places = most_places)
      : hope_(hope), recovery_(recovery), places_(places) {
    right_.fill(hope);
  }
  static Acceptance of(DraftMethod method);
  void tried(std::int32_t drafts, std::int32_t accepted);
  // In a step; at places behind so many drafts nothing was tried: what was true may be so no more, and is tried again
  // after a while.
  void rested(std::int32_t drafts = 0);
  double probability(std::int32_t length = 1) const;  // that so many are right
  // So many drafts that the last one is worth its row; at least 1, so that it is tried again.
  std::int32_t worthy_length(std::int32_t most) const;

 private:
  std::size_t place(std::int32_t draft) const { return std::min(std::size_t(draft), places_ - 1); }

  double hope_, recovery_;
  std::size_t places_;
  std::array<double, most_places> right_;
};

struct Drafted {
  const Acceptance* acceptance = nullptr;
  std::int32_t computed = 0;  // tokens in the cache: what a row attends to
  std::int32_t most = 0;      // drafts that it may have
  std::int32_t drafts = 0;    // out
};

// A step with its drafts.
struct DraftedStep {
  std::int32_t longest = 0;
  double tokens = 0;   // that it is likely to bring
  double seconds = 0;  // without the run of the prediction layer over the rows that it has without drafts
};

// work: of the step without drafts, which brings one token for each of `sequences`. predicts: the prediction layer runs over all rows
// of the step, drafts too, and once more, over one row a sequence, for each draft behind the first.
DraftedStep choose_draft_lengths(std::span<Drafted> sequences, const StepWork& work, bool predicts,
                                 const StepCosts& costs);

// Whether the prediction layer is run at all: where it was left out once, its cache has a gap, and what it guesses from there
// on is worth little. So it runs in all steps, those of prompts too, while that brings more tokens in the same time.
class PredictionSwitch {
 public:
  // Rows of prompts that a step has computed, and tokens that it has brought.
  void learn(double prompt_rows, double tokens);
  // sequences: all that may run, as if they decoded.
  bool decide(std::span<Drafted> sequences, const StepCosts& costs);

 private:
  static constexpr std::uint64_t trial_runs = 32;  // that tell what one takes: the first ones take longer

  bool on_ = true;
  std::uint64_t off_ = 0;             // steps
  std::uint64_t trial_ = trial_runs;  // until so many runs have been measured, it is run
  // Of the steps so far, older ones weighing less, beginning with a guess: as long a prompt as its answer.
  double prompt_rows_ = 256, tokens_ = 256;
};

}  // namespace troupe::runtime
