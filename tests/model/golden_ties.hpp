// A golden's numbers where rounding decided which expert a token got.
#pragma once

#include "tests/model/decoder_session.hpp"
#include "tests/model/reference_forward.hpp"

namespace troupe::model {

// The golden's logits, but for positions where a choice of experts was closer than F32 can tell: there the
// published implementation took one, exact arithmetic may take the other, and the exact logits stand.
inline Logits logits_without_ties(const Checkpoint& checkpoint, const Golden& golden) {
  constexpr double tie = 1e-6;  // scores are about 1: some units in the last place
  Logits logits = golden.logits;
  ReferenceModel reference(checkpoint);
  const std::size_t width = logits.size() / golden.ids.size();
  std::size_t ties = 0, position = 0;
  for (std::int64_t text = 0; text < golden.batch; ++text) {
    const std::vector<float> exact = reference.logits(golden.text(text));
    for (std::size_t t = 0; t < reference.margins().size(); ++t, ++position) {
      if (reference.margins()[t] > tie) continue;
      ++ties;
      std::copy_n(exact.begin() + std::ptrdiff_t(t * width), width,
                  logits.begin() + std::ptrdiff_t(position * width));
    }
  }
  EXPECT_LE(ties, 1u);
  return logits;
}

}  // namespace troupe::model
