// What a decoder is made for: sizes of its memory, and whether it predicts. Plain values; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/entry_form.hpp"

namespace troupe::model {

struct DecoderLimits {
  std::int64_t max_tokens = 2048;     // of a step
  std::int64_t max_logit_rows = 256;  // of a step
  std::int64_t max_positions = 4096;  // of a sequence
  bool prediction = false;            // the multi-token-prediction layer is loaded
  kernels::CacheType cache_type = kernels::CacheType::f32;
  // Of a rank's weights: so many stay in the host's memory at most, where the device reads them (graphs/offload.hpp).
  std::size_t host_weight_bytes = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, DecoderLimits& x) {
  return f(x.max_tokens, x.max_logit_rows, x.max_positions, x.prediction, x.cache_type, x.host_weight_bytes);
}

}  // namespace troupe::model
