// The graph of DeepSeek V3, R1 and V3.1: multi-head latent attention in absorbed
// form, dense layers, then layers of routed and shared experts (DeepSeek-AI
// 2024, "DeepSeek-V3 Technical Report"). Reached through load_decoder.
#pragma once

#include "model/decoder.hpp"

namespace troupe::model {

// As load_decoder, for a plan that check_plan has passed.
std::unique_ptr<Decoder> load_deepseek_v3(const Checkpoint& checkpoint, kernels::Ops& ops,
                                          const ShardingPlan& plan, const DecoderLimits& limits,
                                          const LoadObservers& observers,
                                          const transport::ExpertPlacement& placement);

}  // namespace troupe::model
