// How drafts are made that the model then verifies. It stands here because an operator sets it (config/) and the
// scheduler and the ranks obey it. Plain values.
#pragma once

#include <cstdint>

namespace troupe {

// Upstream's names (vLLM, speculative_config.method): mtp, ngram.
enum class DraftMethod : std::uint8_t {
  none,
  mtp,    // the model's own prediction layer
  ngram,  // what followed the same words before, in the sequence's own text
};

struct Speculation {
  DraftMethod method = DraftMethod::none;
  std::int32_t tokens = 0;  // drafts of a sequence in a step, at most
  bool adapts = false;      // fewer where they do not pay
  friend bool operator==(const Speculation&, const Speculation&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Speculation& x) {
  return f(x.method, x.tokens, x.adapts);
}

}  // namespace troupe
