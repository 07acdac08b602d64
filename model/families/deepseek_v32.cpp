// DeepSeek V3.2 (DeepSeek-AI 2025, "DeepSeek-V3.2-Exp"): V3's graph, whose attention goes to the positions that an indexer
// picks.
#include "model/families/deepseek_config.hpp"
#include "model/families/families.hpp"
#include "model/graphs/latent_attention.hpp"

namespace troupe::model::families {

namespace {

void read_deepseek_v32(JsonFields& fields, ModelConfig& config) {
  deepseek_v3.read_config(fields, config);
  auto& latent = std::get<LatentAttentionConfig>(config.attention);
  if (latent.q_lora_rank == 0)
    fields["q_lora_rank"].fail("is missing, which the indexer takes its queries from");
  latent.indexer = {
      .index_n_heads = fields["index_n_heads"].integer(1, limits::heads),
      .index_head_dim = fields["index_head_dim"].integer(latent.qk_rope_head_dim, limits::head_dim),
      .index_topk = fields["index_topk"].integer(1, limits::index_topk)};
}

}  // namespace

constinit const Architecture deepseek_v32 = latent_architecture(read_deepseek_v32);

}  // namespace troupe::model::families
