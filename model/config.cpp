#include "model/config.hpp"

#include <algorithm>

#include "model/architecture.hpp"
#include "model/config_fields.hpp"
#include "model/json/parse.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

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

// The family that config.json names, by its own name and by that of transformers' class for its config.
const Architecture& read_architecture(JsonFields& fields, std::string& name) {
  const JsonValue names = fields["architectures"];
  const nlohmann::json& given = names.value();
  if (given.is_array() && given.size() == 1 && given[0].is_string()) name = given[0].get<std::string>();
  if (find_architecture(name) == nullptr)
    names.fail("must be one of those that are supported: " + supported_architectures());
  const auto type = fields["model_type"].optional_text();
  const Architecture* const found = find_architecture(name, type.value_or(""));
  if (found == nullptr) fields["model_type"].fail("is \"" + *type + "\", which is no " + name);
  return *found;
}

}  // namespace

ModelConfig parse_config(const nlohmann::json& json, std::string_view where) {
  JsonFields fields(JsonValue{json, where});
  ModelConfig config;
  const Architecture& architecture = read_architecture(fields, config.architecture);
  read_sizes(fields, config);
  architecture.read_config(fields, config);
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
  nlohmann::json json = load_json(config_json, limits::config_bytes);
  // ModelOpt's exports tell of quantisation in a file of their own; config.json may have what was said of the model that
  // was quantised once more.
  const auto beside = config_json.parent_path() / "hf_quant_config.json";
  if (std::error_code ignored; json.is_object() && std::filesystem::exists(beside, ignored)) {
    const nlohmann::json said = load_json(beside, limits::config_bytes);
    nlohmann::json quantization = JsonValue(said, beside.string())["quantization"].value();
    if (!quantization.is_object()) throw Error("quantization must be a JSON object", beside.string());
    quantization["quant_method"] = "modelopt";
    json["quantization_config"] = std::move(quantization);
  }
  return parse_config(json, config_json.string());
}

}  // namespace troupe::model
