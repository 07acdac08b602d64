// DeepSeek V3, R1 and V3.1 (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report"): attention with a latent, dense layers,
// then layers of routed and shared experts. Moonlight and Kimi K2 are the same graph in other sizes.
#include "model/families/deepseek_config.hpp"
#include "model/families/families.hpp"
#include "model/graphs/latent_attention.hpp"

namespace troupe::model::families {

namespace {

void read_deepseek_v3(JsonFields& fields, ModelConfig& config) {
  read_latent_attention(fields, config);
  read_experts(fields, config);
  if (config.n_routed_experts == 0) return;
  read_groups(fields, config);
  require_text(fields["scoring_func"], "sigmoid");
  require_text(fields["topk_method"], "noaux_tc");
}

}  // namespace

constinit const Architecture deepseek_v3 = latent_architecture(read_deepseek_v3);

}  // namespace troupe::model::families
