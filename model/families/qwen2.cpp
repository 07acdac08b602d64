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

constinit const Architecture qwen2{.read_config = read_qwen2,
                                   .list_layer = list_grouped_layer,
                                   .check_heads = check_grouped_heads,
                                   .cache_forms = grouped_cache_forms,
                                   .load = load_grouped_decoder,
                                   .measure = measure_grouped_decoder};

}  // namespace troupe::model::families
