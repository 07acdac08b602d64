// How many tokens an answer will have. Owned by a policy; not thread-safe.
#pragma once

#include <deque>
#include <memory>

#include "runtime/scheduling/policies/policy.hpp"

namespace troupe::runtime {

class LengthPredictor {
 public:
  virtual ~LengthPredictor() = default;
  // Of output, in all; at least 1.
  virtual std::int32_t predict(const SequenceView& sequence) = 0;
  virtual void learn(const SequenceView& /*finished*/) {}
};

constexpr std::size_t most_remembered_callers = 4096;  // then all are forgotten
constexpr std::size_t remembered_lengths = 64;         // of a caller, its last ones

// Option "predictor": oracle (who submitted it knows, else the most that it may have), history (the mean of the caller's
// last answers) or quantile (of those, at "quantile", 0.9). Of callers without any, the most that the request may have.
std::unique_ptr<LengthPredictor> make_length_predictor(PolicyOptions& options);

}  // namespace troupe::runtime
