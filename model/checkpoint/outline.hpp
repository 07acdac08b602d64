// The tensors of a checkpoint that is not here: their names, shapes and types follow from its config.json. Pure
// functions; any thread.
#pragma once

#include "model/checkpoint/expected_tensors.hpp"

namespace troupe::model {

// As publishers of these families store them: linear weights in FP8 with their F32 scales if the config has blocks,
// and the bias of a router that has it in F32; else all in BF16. What may be missing is. Their bytes have a size, and an
// address that nobody may follow.
LocatedTensors outlined_tensors(const ModelConfig& config);

}  // namespace troupe::model
