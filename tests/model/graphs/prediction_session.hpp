// Drives the prediction layer the way an executor does: over all rows of a step, then over its own last row.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "tests/model/graphs/decoder_session.hpp"

namespace troupe::model {

inline SessionOptions predicting(SessionOptions options = {}) {
  options.limits.prediction = true;
  return options;
}

inline TokenId most_likely(std::span<const float> logits) {
  return TokenId(std::ranges::max_element(logits) - logits.begin());
}

inline std::vector<std::int32_t> rows_from(std::int32_t first, std::size_t count) {
  std::vector<std::int32_t> rows(count);
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

// Logits of the layer for each of the text's tokens but the last, `chunk` of them at a time. After each chunk
// two tokens more are predicted from the layer's own rows, whose logits follow those of the last chunk.
inline Logits predictions(Session& session, std::size_t sequence, std::span<const TokenId> ids,
                          std::size_t chunk, std::size_t vocabulary) {
  Logits all, beyond;
  const std::size_t length = ids.size() - 1;
  for (std::size_t first = 0; first < length; first += chunk) {
    const std::size_t count = std::min(chunk, length - first);
    const auto tokens = ids.subspan(first, count), next = ids.subspan(first + 1, count);
    session.step({{sequence, Tokens(tokens.begin(), tokens.end())}});
    Logits logits = session.predict(
        {{sequence, std::int64_t(first), Tokens(next.begin(), next.end()), rows_from(0, count)}});
    all.insert(all.end(), logits.begin(), logits.end());
    beyond.clear();
    auto row = std::int32_t(count) - 1;
    for (std::size_t ahead = 0; ahead < 2; ++ahead, row = 0) {
      const TokenId drafted = most_likely(std::span(logits).last(vocabulary));
      logits = session.predict({{sequence, std::int64_t(first + count + ahead), {drafted}, {row}}});
      beyond.insert(beyond.end(), logits.begin(), logits.end());
    }
  }
  all.insert(all.end(), beyond.begin(), beyond.end());
  return all;
}

}  // namespace troupe::model
