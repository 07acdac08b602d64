// Qwen2 and Qwen2.5, and R1's distills of them (Qwen Team 2024, "Qwen2 Technical Report"): projections of queries, keys and
// values have biases.
#include "model/families/families.hpp"
#include "model/families/grouped_config.hpp"
#include "model/graphs/grouped_attention.hpp"

namespace troupe::model::families {

namespace {

void read_qwen2(JsonFields& fields, ModelConfig& config) {
  read_grouped_attention(fields, config, {.biases = true});
}

}  // namespace

constinit const Architecture qwen2 = grouped_architecture(read_qwen2);

}  // namespace troupe::model::families
