// Llama 2 and 3, and R1's distills of them (Llama Team 2024, "The Llama 3 Herd of Models"). Its rope scaling is llama3's.
#include "model/families/families.hpp"
#include "model/families/grouped_config.hpp"
#include "model/graphs/grouped_attention.hpp"

namespace troupe::model::families {

namespace {

void read_llama(JsonFields& fields, ModelConfig& config) {
  read_grouped_attention(fields, config);
  require_flag(fields["attention_bias"], false);
  require_flag(fields["mlp_bias"], false);
}

}  // namespace

constinit const Architecture llama = grouped_architecture(read_llama);

}  // namespace troupe::model::families
