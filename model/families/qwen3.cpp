// Qwen3, and R1-0528's distill of it (Qwen Team 2025, "Qwen3 Technical Report"): each head's query and key are normed.
#include "model/families/families.hpp"
#include "model/families/grouped_config.hpp"
#include "model/graphs/grouped_attention.hpp"

namespace troupe::model::families {

namespace {

void read_qwen3(JsonFields& fields, ModelConfig& config) {
  read_grouped_attention(fields, config, {.head_norms = true});
  require_flag(fields["attention_bias"], false);
}

}  // namespace

constinit const Architecture qwen3 = grouped_architecture(read_qwen3);

}  // namespace troupe::model::families
