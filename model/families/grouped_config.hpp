// What config.json has of its own in families with grouped attention. Field names are upstream's.
#pragma once

#include "model/config_fields.hpp"

namespace troupe::model {

// num_key_value_heads and head_dim, into `grouped`, which has what the family always does; sets config.attention.
void read_grouped_attention(JsonFields& fields, ModelConfig& config, GroupedAttentionConfig grouped = {});

}  // namespace troupe::model
