// A second policy beside the one that serves: it sees the same views, and what it would have chosen is counted and nothing
// more. Owned by the group's scheduler; not thread-safe.
#pragma once

#include <map>
#include <memory>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {

struct ShadowStats {
  std::uint64_t steps = 0;            // in which either policy let somebody run
  std::uint64_t different_steps = 0;  // of those: in which they chose otherwise
  std::uint64_t different_sequences =
      0;                       // that were to get other numbers of tokens in those, summed over steps
  std::uint64_t failures = 0;  // steps for which it threw, which are not among those

  ShadowStats& operator+=(const ShadowStats& other) {
    steps += other.steps;
    different_steps += other.different_steps;
    different_sequences += other.different_sequences;
    failures += other.failures;
    return *this;
  }
};

class PolicyShadow {
 public:
  explicit PolicyShadow(std::unique_ptr<BatchPolicy> policy);

  // A step is about to be made of what the policy that serves has chosen.
  void look(const SchedulerView& view, std::int32_t token_budget, const Proposal& chosen);
  void left(const SequenceView& sequence, bool finished);
  const ShadowStats& stats() const { return stats_; }

 private:
  using Tokens = std::map<SequenceId, std::int32_t>;  // of a step, more than 0
  static Tokens tokens_of(const SchedulerView& view, std::int32_t token_budget, const Proposal& proposal);
  void compare(const Tokens& chosen, const Tokens& other);

  std::unique_ptr<BatchPolicy> policy_;
  ShadowStats stats_;
  Proposal proposal_;  // kept between steps for its memory
};

}  // namespace troupe::runtime
