#include "model/families/deepseek_config.hpp"

#include <algorithm>

namespace troupe::model {

namespace {

void check_products(JsonFields& fields, const ModelConfig& config) {
  const std::int64_t layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  if (layers * config.n_routed_experts > limits::experts_of_all_layers) {
    fields["n_routed_experts"].fail("times layers is more than " +
                                    std::to_string(limits::experts_of_all_layers));
  }
  if (config.n_shared_experts * config.moe_intermediate_size > limits::intermediate_size) {
    fields["n_shared_experts"].fail("times moe_intermediate_size is more than " +
                                    std::to_string(limits::intermediate_size));
  }
}

}  // namespace

void read_latent_attention(JsonFields& fields, ModelConfig& config) {
  LatentAttentionConfig latent;
  latent.q_lora_rank = fields["q_lora_rank"].optional_integer(1, limits::hidden_size).value_or(0);
  latent.kv_lora_rank = fields["kv_lora_rank"].integer(1, limits::hidden_size);
  latent.qk_nope_head_dim = fields["qk_nope_head_dim"].integer(1, limits::head_dim);
  latent.qk_rope_head_dim = fields["qk_rope_head_dim"].integer(2, limits::rotary_dim);
  if (latent.qk_rope_head_dim % 2 != 0) fields["qk_rope_head_dim"].fail("must be even");
  latent.v_head_dim = fields["v_head_dim"].integer(1, limits::head_dim);
  latent.split_kv_b_proj = fields["split_kv_b_proj"].optional_boolean().value_or(false);
  require_equal(fields["num_key_value_heads"], config.num_attention_heads);
  require_equal(fields["qk_head_dim"], latent.qk_nope_head_dim + latent.qk_rope_head_dim);
  require_equal(fields["head_dim"], latent.qk_rope_head_dim);  // what transformers calls the rotary part
  require_flag(fields["rope_interleave"], true);
  require_flag(fields["attention_bias"], false);
  config.attention = latent;
}

void read_experts(JsonFields& fields, ModelConfig& config) {
  config.n_routed_experts =
      fields["n_routed_experts"].optional_integer(0, limits::routed_experts).value_or(0);
  if (config.n_routed_experts == 0) {  // a dense model: nothing else about experts has a meaning
    fields.ignore({"first_k_dense_replace", "moe_layer_freq", "n_shared_experts", "num_experts_per_tok",
                   "n_group", "topk_group", "topk_method", "scoring_func", "norm_topk_prob",
                   "routed_scaling_factor", "moe_intermediate_size"});
    return;
  }
  config.first_k_dense_replace = fields["first_k_dense_replace"].integer(0, limits::layers);
  config.moe_layer_freq = fields["moe_layer_freq"].optional_integer(1, limits::layers).value_or(1);
  config.n_shared_experts =
      fields["n_shared_experts"].optional_integer(0, limits::shared_experts).value_or(0);
  config.moe_intermediate_size = fields["moe_intermediate_size"].integer(1, limits::intermediate_size);
  config.num_experts_per_tok =
      fields["num_experts_per_tok"].integer(1, std::min(limits::experts_per_token, config.n_routed_experts));
  config.routed_scaling_factor = fields["routed_scaling_factor"].number(1e-6, 1e6);
  config.norm_topk_prob = fields["norm_topk_prob"].boolean();
  check_products(fields, config);
}

void read_groups(JsonFields& fields, ModelConfig& config) {
  const std::int64_t experts = config.n_routed_experts;
  config.n_group = fields["n_group"].integer(1, experts);
  config.topk_group = fields["topk_group"].integer(1, config.n_group);
  if (experts % config.n_group != 0) {
    fields["n_group"].fail("must divide n_routed_experts, " + std::to_string(experts));
  }
  const std::int64_t group = experts / config.n_group;
  if (group < 2 && config.scoring_func == kernels::Scoring::sigmoid)
    fields["n_group"].fail("leaves one expert a group; groups are ranked by their two best");
  if (config.num_experts_per_tok > config.topk_group * group) {
    fields["num_experts_per_tok"].fail("is more than the experts in topk_group groups, " +
                                       std::to_string(config.topk_group * group));
  }
}

}  // namespace troupe::model
