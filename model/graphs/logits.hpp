// Logits of whole texts, for comparison with other implementations. Belongs to the thread that computes.
#pragma once

#include <cstdint>
#include <vector>

#include "model/decoder.hpp"

namespace troupe::model {

// ids: [batch, length], row after row.
struct TokenMatrix {
  std::int64_t batch = 0;
  std::int64_t length = 0;
  std::vector<TokenId> ids;
};

// Logits [batch, length, vocab_size] of every position: each row is a text of its own.
// The decoder was loaded for `config` and `limits`; steps are as long as these allow.
// Each rank, of whatever group, calls this with the same ids and gets the same logits.
// Throws Error for ids outside the vocabulary and for texts over limits.max_positions.
std::vector<float> logits_of(Decoder& decoder, const ModelConfig& config, const DecoderLimits& limits,
                             kernels::Queue& queue, const transport::Communicators& communicators,
                             const TokenMatrix& texts);

}  // namespace troupe::model
