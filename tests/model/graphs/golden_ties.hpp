// A golden's numbers where rounding decided which expert a token got.
#pragma once

#include "tests/model/graphs/decoder_session.hpp"
#include "tests/model/graphs/reference_forward.hpp"

namespace troupe::model {

// The golden's logits, but for positions where a choice of experts was closer than F32 can tell: there the
// published implementation took one, exact arithmetic may take the other, and the exact logits stand. Of a model with an
// index, whose scores tie in the same way in every arithmetic, the exact logits stand everywhere, once the golden is found
// to be what torch makes of these ties.
inline Logits logits_without_ties(const Checkpoint& checkpoint, const Golden& golden) {
  constexpr double tie = 1e-6;  // scores are about 1: some units in the last place
  Logits logits = golden.logits;
  ReferenceModel published(checkpoint, IndexTies::as_torch), reference(checkpoint);
  const bool indexed = checkpoint.config().has_latent() && checkpoint.config().latent().indexer.has_value();
  const std::size_t width = logits.size() / golden.ids.size();
  std::size_t ties = 0, position = 0;
  for (std::int64_t text = 0; text < golden.batch; ++text) {
    const std::vector<float> exact = published.logits(golden.text(text));
    const auto of_text = std::span(logits).subspan(position * width, exact.size());
    for (std::size_t t = 0; t < published.margins().size(); ++t, ++position) {
      if (published.margins()[t] > tie) continue;
      ++ties;
      std::copy_n(exact.begin() + std::ptrdiff_t(t * width), width,
                  logits.begin() + std::ptrdiff_t(position * width));
    }
    if (!indexed) continue;
    EXPECT_LE(worst_difference(of_text, exact), 2e-4);
    std::ranges::copy(reference.logits(golden.text(text)), of_text.begin());
  }
  EXPECT_LE(ties, 1u);
  return logits;
}

}  // namespace troupe::model
