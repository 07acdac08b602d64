#include "model/config.hpp"

#include <algorithm>

#include "model/json/fields.hpp"
#include "model/json/parse.hpp"
#include "model/token_ids.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

constexpr std::string_view deepseek_v3 = "DeepseekV3ForCausalLM";

// Fields of other models, and of later ones of this family, that change what is computed.
constexpr std::string_view unsupported[] = {"alibi",
                                            "attention_chunk_size",
                                            "attention_multiplier",
                                            "attention_sink",
                                            "attention_sinks",
                                            "attn_logit_softcapping",
                                            "attn_output_gate",
                                            "clip_qkv",
                                            "compress_ratios",
                                            "compression_config",
                                            "embedding_multiplier",
                                            "final_logit_softcapping",
                                            "hc_mult",
                                            "head_bias",
                                            "index_head_dim",
                                            "index_n_heads",
                                            "index_topk",
                                            "lm_head_bias",
                                            "logit_scale",
                                            "logits_scaling",
                                            "mlp_bias",
                                            "no_rope_layers",
                                            "num_hash_layers",
                                            "o_lora_rank",
                                            "qk_layernorm",
                                            "qk_norm",
                                            "qkv_bias",
                                            "quantization",
                                            "query_pre_attn_scalar",
                                            "residual_multiplier",
                                            "rope_ratio",
                                            "rotary_dim",
                                            "scale_depth",
                                            "scale_emb",
                                            "sliding_window",
                                            "swiglu_alpha",
                                            "swiglu_limit",
                                            "use_bias",
                                            "use_parallel_residual",
                                            "use_qk_norm",
                                            "use_qkv_bias",
                                            "zero_expert_num"};

// A field for which one value alone is supported; absent means that value.
void require_text(const JsonValue& field, std::string_view only) {
  const auto value = field.optional_text();
  if (value && *value != only) {
    field.fail("is \"" + *value + "\"; only \"" + std::string(only) + "\" is supported");
  }
}

void require_flag(const JsonValue& field, bool only) {
  if (field.optional_boolean().value_or(only) != only) {
    field.fail(only ? "is false; only true is supported" : "is true; only false is supported");
  }
}

// Of an object in which every field has its say in the arithmetic.
void refuse_others(JsonFields& fields) {
  for (const std::string& name : fields.others())
    fields[name].fail("is not supported", "remove it if it changes nothing");
}

// A field that repeats what others say.
void require_equal(const JsonValue& field, std::int64_t value) {
  if (field.optional_integer(INT64_MIN, INT64_MAX).value_or(value) != value) {
    field.fail("must be " + std::to_string(value));
  }
}

void require_number(const JsonValue& field, int only) {
  if (field.optional_number(-1e9, 1e9).value_or(only) != only) field.fail("must be " + std::to_string(only));
}

// A list of what each layer is: wanted(layer).
template <class Wanted>
void require_layers(const JsonValue& field, Wanted wanted) {
  if (field.is_null()) return;
  const auto layers = std::int64_t(field.elements().size());
  for (std::int64_t layer = 0; layer < layers; ++layer)
    require_text(field.element(std::size_t(layer)), wanted(layer));
}

std::string read_architecture(JsonFields& fields) {
  const JsonValue names = fields["architectures"];
  if (names.value() != nlohmann::json::array({deepseek_v3})) {
    names.fail("must be [\"" + std::string(deepseek_v3) + "\"], the one that is supported");
  }
  require_text(fields["model_type"], "deepseek_v3");
  return std::string(deepseek_v3);
}

void read_sizes(JsonFields& fields, ModelConfig& config) {
  config.vocab_size = fields["vocab_size"].integer(1, limits::vocab_size);
  config.hidden_size = fields["hidden_size"].integer(1, limits::hidden_size);
  config.intermediate_size = fields["intermediate_size"].integer(1, limits::intermediate_size);
  config.num_hidden_layers = fields["num_hidden_layers"].integer(1, limits::layers);
  config.num_nextn_predict_layers =
      fields["num_nextn_predict_layers"].optional_integer(0, limits::nextn_layers).value_or(0);
  config.max_position_embeddings = fields["max_position_embeddings"].integer(1, limits::positions);
  config.rms_norm_eps = fields["rms_norm_eps"].number(1e-12, 1);
  config.tie_word_embeddings = fields["tie_word_embeddings"].optional_boolean().value_or(false);
  config.bos_token_id = TokenId(
      fields["bos_token_id"].optional_integer(0, config.vocab_size - 1).value_or(config.bos_token_id));
  config.eos_token_ids = read_token_ids(fields["eos_token_id"], config.vocab_size);
  require_text(fields["hidden_act"], "silu");
}

void read_attention(JsonFields& fields, ModelConfig& config) {
  config.num_attention_heads = fields["num_attention_heads"].integer(1, limits::heads);
  config.q_lora_rank = fields["q_lora_rank"].optional_integer(1, limits::hidden_size).value_or(0);
  config.kv_lora_rank = fields["kv_lora_rank"].integer(1, limits::hidden_size);
  config.qk_nope_head_dim = fields["qk_nope_head_dim"].integer(1, limits::head_dim);
  config.qk_rope_head_dim = fields["qk_rope_head_dim"].integer(2, limits::head_dim);
  if (config.qk_rope_head_dim % 2 != 0) fields["qk_rope_head_dim"].fail("must be even");
  config.v_head_dim = fields["v_head_dim"].integer(1, limits::head_dim);
  require_equal(fields["num_key_value_heads"], config.num_attention_heads);
  require_equal(fields["qk_head_dim"], config.qk_nope_head_dim + config.qk_rope_head_dim);
  require_equal(fields["head_dim"], config.qk_rope_head_dim);  // what transformers calls the rotary part
  require_flag(fields["rope_interleave"], true);
  require_flag(fields["attention_bias"], false);
}

void check_groups(JsonFields& fields, const ModelConfig& config) {
  const std::int64_t experts = config.n_routed_experts;
  if (experts % config.n_group != 0) {
    fields["n_group"].fail("must divide n_routed_experts, " + std::to_string(experts));
  }
  const std::int64_t group = experts / config.n_group;
  if (group < 2) fields["n_group"].fail("leaves one expert a group; groups are ranked by their two best");
  if (config.num_experts_per_tok > config.topk_group * group) {
    fields["num_experts_per_tok"].fail("is more than the experts in topk_group groups, " +
                                       std::to_string(config.topk_group * group));
  }
  const std::int64_t layers = config.num_hidden_layers + config.num_nextn_predict_layers;
  if (layers * experts > limits::experts_of_all_layers) {
    fields["n_routed_experts"].fail("times layers is more than " +
                                    std::to_string(limits::experts_of_all_layers));
  }
  if (config.n_shared_experts * config.moe_intermediate_size > limits::intermediate_size) {
    fields["n_shared_experts"].fail("times moe_intermediate_size is more than " +
                                    std::to_string(limits::intermediate_size));
  }
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
  config.num_experts_per_tok = fields["num_experts_per_tok"].integer(1, limits::experts_per_token);
  config.n_group = fields["n_group"].integer(1, config.n_routed_experts);
  config.topk_group = fields["topk_group"].integer(1, config.n_group);
  config.routed_scaling_factor = fields["routed_scaling_factor"].number(1e-6, 1e6);
  config.norm_topk_prob = fields["norm_topk_prob"].boolean();
  require_text(fields["scoring_func"], "sigmoid");
  require_text(fields["topk_method"], "noaux_tc");
  check_groups(fields, config);
}

Yarn read_yarn(JsonFields& rope) {
  Yarn yarn;
  yarn.factor = rope["factor"].number(1, 1e4);
  yarn.original_max_position_embeddings =
      rope["original_max_position_embeddings"].integer(1, limits::positions);
  require_flag(rope["truncate"], true);  // of the range that the two betas span, to whole dimensions
  yarn.beta_fast = rope["beta_fast"].optional_number(1e-3, 1e6).value_or(yarn.beta_fast);
  yarn.beta_slow = rope["beta_slow"].optional_number(1e-3, 1e6).value_or(yarn.beta_slow);
  if (yarn.beta_fast <= yarn.beta_slow) rope["beta_fast"].fail("must be more than beta_slow");
  // One without the other is read in two ways by the implementations that are around.
  const auto mscale = rope["mscale"].optional_number(0, 100);
  const auto mscale_all_dim = rope["mscale_all_dim"].optional_number(0, 100);
  if (mscale.has_value() != mscale_all_dim.has_value()) {
    rope[mscale ? "mscale" : "mscale_all_dim"].fail("needs both mscale and mscale_all_dim");
  }
  yarn.mscale = mscale.value_or(yarn.mscale);
  yarn.mscale_all_dim = mscale_all_dim.value_or(yarn.mscale_all_dim);
  return yarn;
}

// rope_scaling, or rope_parameters as transformers writes it since version 5.
void read_rope(JsonFields& fields, ModelConfig& config) {
  const auto theta = fields["rope_theta"].optional_number(2, 1e12);
  config.rope_theta = theta.value_or(config.rope_theta);
  const JsonValue scaling = fields["rope_scaling"], parameters = fields["rope_parameters"];
  if (!scaling.is_null() && !parameters.is_null()) parameters.fail("and rope_scaling are both set");
  if (scaling.is_null() && parameters.is_null()) return;

  JsonFields rope(scaling.is_null() ? parameters : scaling);
  const auto inner_theta = rope["rope_theta"].optional_number(2, 1e12);
  if (theta && inner_theta && *theta != *inner_theta) rope["rope_theta"].fail("differs from the outer one");
  if (inner_theta) config.rope_theta = *inner_theta;

  const auto old_name = rope["type"].optional_text();
  const auto name = rope["rope_type"].optional_text();
  if (old_name && name && *old_name != *name) rope["rope_type"].fail("differs from type");
  const std::string type = name.value_or(old_name.value_or(""));
  if (type == "yarn") {
    config.yarn = read_yarn(rope);
  } else if (type != "default") {
    rope["rope_type"].fail("must be \"yarn\" or \"default\"");
  }
  require_number(rope["partial_rotary_factor"], 1);
  refuse_others(rope);
}

void read_quantization(JsonFields& fields, ModelConfig& config) {
  const JsonValue given = fields["quantization_config"];
  if (given.is_null()) return;
  JsonFields quantization(given);
  if (quantization["quant_method"].optional_text() != "fp8") {
    quantization["quant_method"].fail("must be \"fp8\"");
  }
  require_text(quantization["fmt"], "e4m3");
  const JsonValue block = quantization["weight_block_size"];
  if (!block.value().is_array() || block.value().size() != 2) block.fail("must be two integers");
  config.fp8 = Fp8Blocks{block.element(0).integer(1, limits::weight_block),
                         block.element(1).integer(1, limits::weight_block)};
  // How activations were rounded on the publisher's GPUs; and which weights are plain, which the files show.
  quantization.ignore({"activation_scheme", "scale_fmt", "modules_to_not_convert", "ignored_layers"});
  refuse_others(quantization);
}

// Qwen's classes write a window's size beside the word that there is none, and which layers have it: those from
// max_window_layers on. It changes nothing where no layer has it, or where no sequence outgrows it.
void read_window(JsonFields& fields, const ModelConfig& config) {
  const JsonValue switched = fields["use_sliding_window"];
  const bool on = switched.optional_boolean().value_or(false);
  const auto first_layer = fields["max_window_layers"].optional_integer(0, limits::layers);
  if (!switched.is_null() && !on) return fields.ignore({"sliding_window"});
  if (!on) return;  // sliding_window alone is refused with the others
  const auto window = fields["sliding_window"].optional_integer(1, INT64_MAX);
  if (window.value_or(0) >= config.max_position_embeddings) return;
  if (first_layer && *first_layer >= config.num_hidden_layers) return;
  switched.fail("is true, and attention to a window is not supported",
                "set it to false if the weights were trained without");
}

// What is said once more, in words of transformers or of the classes that it shares code with.
void read_repetitions(JsonFields& fields, const ModelConfig& config) {
  require_number(fields["partial_rotary_factor"], 1);
  for (const char* name : {"num_experts", "num_local_experts"})
    require_equal(fields[name], config.n_routed_experts);
  require_layers(fields["layer_types"], [](std::int64_t) { return "full_attention"; });
  require_layers(fields["mlp_layer_types"],
                 [&](std::int64_t layer) { return config.is_moe(layer) ? "sparse" : "dense"; });
  read_window(fields, config);
}

}  // namespace

ModelConfig parse_config(const nlohmann::json& json, std::string_view where) {
  JsonFields fields(JsonValue{json, where});
  ModelConfig config;
  config.architecture = read_architecture(fields);
  read_sizes(fields, config);
  read_attention(fields, config);
  read_experts(fields, config);
  read_rope(fields, config);
  read_quantization(fields, config);
  read_repetitions(fields, config);
  // Training, bookkeeping, what transformers' own generation does, and the publisher's hardware.
  fields.ignore({"_attn_implementation",
                 "_commit_hash",
                 "_name_or_path",
                 "attention_dropout",
                 "auto_map",
                 "aux_loss_alpha",
                 "aux_loss_free_bias_update_rate",
                 "chunk_size_feed_forward",
                 "dtype",
                 "ep_size",
                 "id2label",
                 "initializer_range",
                 "is_decoder",
                 "label2id",
                 "max_length",
                 "output_attentions",
                 "output_hidden_states",
                 "output_router_logits",
                 "pad_token_id",
                 "pretraining_tp",
                 "problem_type",
                 "return_dict",
                 "router_aux_loss_coef",
                 "router_jitter_noise",
                 "router_z_loss_coef",
                 "seq_aux",
                 "tokenizer_class",
                 "torch_dtype",
                 "torchscript",
                 "transformers_version",
                 "unsloth_fixed",
                 "unsloth_version",
                 "use_cache"});
  for (std::string& name : fields.others()) {
    if (std::ranges::find(unsupported, name) != std::end(unsupported))
      fields[name].fail("is not supported", "remove it if it changes nothing");
    config.unknown_fields.push_back(std::move(name));
  }
  return config;
}

ModelConfig load_config(const std::filesystem::path& config_json) {
  return parse_config(load_json(config_json, limits::config_bytes), config_json.string());
}

}  // namespace troupe::model
