#include "model/config.hpp"

#include "model/json_fields.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view deepseek_v3 = "DeepseekV3ForCausalLM";

// A field for which one value alone is supported; absent means that value.
void require_text(JsonFields& fields, std::string_view name, std::string_view only) {
  const auto value = fields.optional_text(name);
  if (value && *value != only) {
    fields.refuse_field(name, "is \"" + *value + "\"; only \"" + std::string(only) + "\" is supported");
  }
}

void require_flag(JsonFields& fields, std::string_view name, bool only) {
  if (fields.optional_boolean(name).value_or(only) != only) {
    fields.refuse_field(name, only ? "is false; only true is supported" : "is true; only false is supported");
  }
}

// A field that repeats what others say.
void require_equal(JsonFields& fields, std::string_view name, std::int64_t value) {
  if (fields.optional_integer(name, INT64_MIN, INT64_MAX).value_or(value) != value) {
    fields.refuse_field(name, "must be " + std::to_string(value));
  }
}

std::string read_architecture(JsonFields& fields) {
  const nlohmann::json* names = fields.find("architectures");
  if (names == nullptr || !names->is_array() || names->size() != 1 || names->front() != deepseek_v3) {
    fields.refuse_field("architectures",
                        "must be [\"" + std::string(deepseek_v3) + "\"], the one that is supported");
  }
  require_text(fields, "model_type", "deepseek_v3");
  return std::string(deepseek_v3);
}

void read_sizes(JsonFields& fields, ModelConfig& config) {
  config.vocab_size = fields.integer("vocab_size", 1, limits::vocab_size);
  config.hidden_size = fields.integer("hidden_size", 1, limits::hidden_size);
  config.intermediate_size = fields.integer("intermediate_size", 1, limits::intermediate_size);
  config.num_hidden_layers = fields.integer("num_hidden_layers", 1, limits::layers);
  config.num_nextn_predict_layers =
      fields.optional_integer("num_nextn_predict_layers", 0, limits::nextn_layers).value_or(0);
  config.max_position_embeddings = fields.integer("max_position_embeddings", 1, limits::positions);
  config.rms_norm_eps = fields.number("rms_norm_eps", 1e-12, 1);
  config.tie_word_embeddings = fields.optional_boolean("tie_word_embeddings").value_or(false);
  config.bos_token_id = TokenId(
      fields.optional_integer("bos_token_id", 0, config.vocab_size - 1).value_or(config.bos_token_id));
  config.eos_token_ids = fields.token_ids("eos_token_id", config.vocab_size);
  require_text(fields, "hidden_act", "silu");
}

void read_attention(JsonFields& fields, ModelConfig& config) {
  config.num_attention_heads = fields.integer("num_attention_heads", 1, limits::heads);
  config.q_lora_rank = fields.optional_integer("q_lora_rank", 1, limits::hidden_size).value_or(0);
  config.kv_lora_rank = fields.integer("kv_lora_rank", 1, limits::hidden_size);
  config.qk_nope_head_dim = fields.integer("qk_nope_head_dim", 1, limits::head_dim);
  config.qk_rope_head_dim = fields.integer("qk_rope_head_dim", 2, limits::head_dim);
  if (config.qk_rope_head_dim % 2 != 0) fields.refuse_field("qk_rope_head_dim", "must be even");
  config.v_head_dim = fields.integer("v_head_dim", 1, limits::head_dim);
  require_equal(fields, "num_key_value_heads", config.num_attention_heads);
  require_equal(fields, "qk_head_dim", config.qk_nope_head_dim + config.qk_rope_head_dim);
  require_equal(fields, "head_dim", config.qk_rope_head_dim);  // what transformers calls the rotary part
  require_flag(fields, "rope_interleave", true);
  require_flag(fields, "attention_bias", false);
}

void check_groups(const JsonFields& fields, const ModelConfig& config) {
  const std::int64_t experts = config.n_routed_experts;
  if (experts % config.n_group != 0) {
    fields.refuse_field("n_group", "must divide n_routed_experts, " + std::to_string(experts));
  }
  const std::int64_t group = experts / config.n_group;
  if (group < 2)
    fields.refuse_field("n_group", "leaves one expert a group; groups are ranked by their two best");
  if (config.num_experts_per_tok > config.topk_group * group) {
    fields.refuse_field("num_experts_per_tok", "is more than the experts in topk_group groups, " +
                                                   std::to_string(config.topk_group * group));
  }
  const std::int64_t layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  if (layers * experts > limits::experts_of_all_layers) {
    fields.refuse_field("n_routed_experts",
                        "times layers is more than " + std::to_string(limits::experts_of_all_layers));
  }
  if (config.n_shared_experts * config.moe_intermediate_size > limits::intermediate_size) {
    fields.refuse_field("n_shared_experts", "times moe_intermediate_size is more than " +
                                                std::to_string(limits::intermediate_size));
  }
}

void read_experts(JsonFields& fields, ModelConfig& config) {
  config.n_routed_experts =
      fields.optional_integer("n_routed_experts", 0, limits::routed_experts).value_or(0);
  if (config.n_routed_experts == 0) {  // a dense model: nothing else about experts has a meaning
    fields.ignore({"first_k_dense_replace", "moe_layer_freq", "n_shared_experts", "num_experts_per_tok",
                   "n_group", "topk_group", "topk_method", "scoring_func", "norm_topk_prob",
                   "routed_scaling_factor", "moe_intermediate_size"});
    return;
  }
  config.first_k_dense_replace = fields.integer("first_k_dense_replace", 0, limits::layers);
  config.moe_layer_freq = fields.optional_integer("moe_layer_freq", 1, limits::layers).value_or(1);
  config.n_shared_experts =
      fields.optional_integer("n_shared_experts", 0, limits::shared_experts).value_or(0);
  config.moe_intermediate_size = fields.integer("moe_intermediate_size", 1, limits::intermediate_size);
  config.num_experts_per_tok = fields.integer("num_experts_per_tok", 1, limits::experts_per_token);
  config.n_group = fields.integer("n_group", 1, config.n_routed_experts);
  config.topk_group = fields.integer("topk_group", 1, config.n_group);
  config.routed_scaling_factor = fields.number("routed_scaling_factor", 1e-6, 1e6);
  const auto normalise = fields.optional_boolean("norm_topk_prob");
  if (!normalise) fields.refuse_field("norm_topk_prob", "is missing");
  config.norm_topk_prob = *normalise;
  require_text(fields, "scoring_func", "sigmoid");
  require_text(fields, "topk_method", "noaux_tc");
  check_groups(fields, config);
}

Yarn read_yarn(JsonFields& rope) {
  Yarn yarn;
  yarn.factor = rope.number("factor", 1, 1e4);
  yarn.original_max_position_embeddings =
      rope.integer("original_max_position_embeddings", 1, limits::positions);
  yarn.beta_fast = rope.optional_number("beta_fast", 1e-3, 1e6).value_or(yarn.beta_fast);
  yarn.beta_slow = rope.optional_number("beta_slow", 1e-3, 1e6).value_or(yarn.beta_slow);
  if (yarn.beta_fast <= yarn.beta_slow) rope.refuse_field("beta_fast", "must be more than beta_slow");
  // One without the other is read in two ways by the implementations that are around.
  const auto mscale = rope.optional_number("mscale", 0, 100);
  const auto mscale_all_dim = rope.optional_number("mscale_all_dim", 0, 100);
  if (mscale.has_value() != mscale_all_dim.has_value()) {
    rope.refuse_field(mscale ? "mscale" : "mscale_all_dim", "needs both mscale and mscale_all_dim");
  }
  yarn.mscale = mscale.value_or(yarn.mscale);
  yarn.mscale_all_dim = mscale_all_dim.value_or(yarn.mscale_all_dim);
  return yarn;
}

// rope_scaling, or rope_parameters as transformers writes it since version 5.
void read_rope(JsonFields& fields, ModelConfig& config, std::string_view where) {
  const auto theta = fields.optional_number("rope_theta", 2, 1e12);
  config.rope_theta = theta.value_or(config.rope_theta);
  const nlohmann::json* scaling = fields.find("rope_scaling");
  const nlohmann::json* parameters = fields.find("rope_parameters");
  if (scaling != nullptr && parameters != nullptr) {
    fields.refuse_field("rope_parameters", "and rope_scaling are both set");
  }
  if (scaling == nullptr && parameters == nullptr) return;

  const nlohmann::json& json = scaling != nullptr ? *scaling : *parameters;
  JsonFields rope(json, where, scaling != nullptr ? "rope_scaling." : "rope_parameters.");
  const auto inner_theta = rope.optional_number("rope_theta", 2, 1e12);
  if (theta && inner_theta && *theta != *inner_theta)
    rope.refuse_field("rope_theta", "differs from the outer one");
  if (inner_theta) config.rope_theta = *inner_theta;

  const auto old_name = rope.optional_text("type");
  const auto name = rope.optional_text("rope_type");
  if (old_name && name && *old_name != *name) rope.refuse_field("rope_type", "differs from type");
  const std::string type = name.value_or(old_name.value_or(""));
  if (type == "yarn") {
    config.yarn = read_yarn(rope);
  } else if (type != "default") {
    rope.refuse_field("rope_type", "must be \"yarn\" or \"default\"");
  }
  rope.refuse_others();
}

void read_quantization(JsonFields& fields, ModelConfig& config, std::string_view where) {
  const nlohmann::json* json = fields.find("quantization_config");
  if (json == nullptr) return;
  JsonFields quantization(*json, where, "quantization_config.");
  if (quantization.optional_text("quant_method") != "fp8") {
    quantization.refuse_field("quant_method", "must be \"fp8\"");
  }
  require_text(quantization, "fmt", "e4m3");
  const nlohmann::json* block = quantization.find("weight_block_size");
  const auto valid = [](const nlohmann::json& extent) {
    return extent.is_number_integer() && extent >= 1 && extent <= limits::weight_block;
  };
  if (block == nullptr || !block->is_array() || block->size() != 2 || !valid((*block)[0]) ||
      !valid((*block)[1])) {
    quantization.refuse_field("weight_block_size",
                              "must be two integers between 1 and " + std::to_string(limits::weight_block));
  }
  config.fp8 = Fp8Blocks{(*block)[0].get<std::int64_t>(), (*block)[1].get<std::int64_t>()};
  // How activations were rounded on the publisher's GPUs; and which weights are plain, which the files show.
  quantization.ignore({"activation_scheme", "scale_fmt", "modules_to_not_convert"});
  quantization.refuse_others();
}

}  // namespace

ModelConfig parse_config(const nlohmann::json& json, std::string_view where) {
  JsonFields fields(json, where);
  ModelConfig config;
  config.architecture = read_architecture(fields);
  read_sizes(fields, config);
  read_attention(fields, config);
  read_experts(fields, config);
  read_rope(fields, config, where);
  read_quantization(fields, config, where);
  // Training, bookkeeping, and the publisher's hardware.
  fields.ignore({"_commit_hash", "_name_or_path", "attention_dropout", "auto_map", "aux_loss_alpha", "dtype",
                 "ep_size", "initializer_range", "pad_token_id", "pretraining_tp", "seq_aux", "torch_dtype",
                 "transformers_version", "use_cache"});
  fields.refuse_others();
  return config;
}

ModelConfig load_config(const std::filesystem::path& config_json) {
  return parse_config(load_json(config_json, limits::config_bytes), config_json.string());
}

}  // namespace troupe::model
