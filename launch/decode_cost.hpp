// What computing tokens costs at least on one rank: what a bench holds its times against. Plain functions, any
// thread.
#pragma once

#include "model/checkpoint/checkpoint.hpp"

namespace troupe::launch {

// Bytes of weights that a step over so many sequences, a token each, reads: all but the embedding, the prediction
// layer and the experts that no token goes to. Those are as many as are expected when each token's are drawn evenly;
// with one sequence the count is exact.
double weight_bytes_of_step(const model::Checkpoint& checkpoint, std::int32_t sequences);

// FLOP of a prompt: every weight that a token passes through, the head once, and attention, which is in the
// latent space where there is one.
double flop_of_prompt(const model::Checkpoint& checkpoint, std::int32_t tokens);

}  // namespace troupe::launch
