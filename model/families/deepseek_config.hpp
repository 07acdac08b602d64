// What config.json has of its own in DeepSeek's families. Field names are upstream's.
#pragma once

#include "model/config_fields.hpp"

namespace troupe::model {

void read_latent_attention(JsonFields& fields, ModelConfig& config);
// Sizes and numbers of experts; how they are chosen is each family's: config has scoring_func and routing_bias already.
// Without n_routed_experts the model is dense, and nothing else about experts has a meaning.
void read_experts(JsonFields& fields, ModelConfig& config);
// The groups that experts are chosen from, of which the best are kept.
void read_groups(JsonFields& fields, ModelConfig& config);

}  // namespace troupe::model
