// What a decoder is made for: sizes of its memory, and whether it predicts. Plain values; any thread.
#pragma once

#include <cstdint>

namespace troupe::model {

struct DecoderLimits {
  std::int64_t max_tokens = 2048;     // of a step
  std::int64_t max_logit_rows = 256;  // of a step
  std::int64_t max_positions = 4096;  // of a sequence
  bool prediction = false;            // the multi-token-prediction layer is loaded
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, DecoderLimits& x) {
  return f(x.max_tokens, x.max_logit_rows, x.max_positions, x.prediction);
}

// KV storage of a rank, in blocks that the block pool of its attention group counts.
struct CacheSize {
  std::int64_t blocks = 0;
  std::int64_t block_size = 0;  // tokens
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, CacheSize& x) {
  return f(x.blocks, x.block_size);
}

}  // namespace troupe::model
