// DeepSeek V2 and V2-Lite (DeepSeek-AI 2024, "DeepSeek-V2"): V3's graph with another router, whose scores are a softmax,
// whose groups are ranked by their best expert, and whose weights are scaled and not normalised.
#include "model/families/deepseek_config.hpp"
#include "model/families/families.hpp"
#include "model/graphs/latent_attention.hpp"

namespace troupe::model::families {

namespace {

void read_routing(JsonFields& fields, ModelConfig& config) {
  require_text(fields["scoring_func"], "softmax");
  // With it the published code leaves out the scaling, and others do not.
  require_flag(fields["norm_topk_prob"], false);
  const JsonValue method = fields["topk_method"];
  const std::string name = method.optional_text().value_or("greedy");
  if (name == "greedy")
    fields.ignore({"n_group", "topk_group"});  // all experts are one group
  else if (name == "group_limited_greedy")
    read_groups(fields, config);
  else
    method.fail("is \"" + name + "\"; it must be \"greedy\" or \"group_limited_greedy\"");
}

void read_deepseek_v2(JsonFields& fields, ModelConfig& config) {
  config.scoring_func = kernels::Scoring::softmax;
  config.routing_bias = false;
  read_latent_attention(fields, config);
  read_experts(fields, config);
  if (config.n_routed_experts > 0) read_routing(fields, config);
}

}  // namespace

constinit const Architecture deepseek_v2 = latent_architecture(read_deepseek_v2);

}  // namespace troupe::model::families
