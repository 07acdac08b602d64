// The tensors of a decoder layer, by the names that published checkpoints have.
#pragma once

#include "model/checkpoint/expected_tensors.hpp"

namespace troupe::model {

// Norms, what attention lists of its own, and a feed-forward layer, dense or of experts.
void list_decoder_layer(TensorListing& list, const ModelConfig& config, std::int64_t layer,
                        void (*attention)(TensorListing&, const ModelConfig&));

}  // namespace troupe::model
