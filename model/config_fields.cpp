#include "model/config_fields.hpp"

#include <algorithm>

#include "model/text/token_ids.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

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

void require_equal(const JsonValue& field, std::int64_t value) {
  if (field.optional_integer(INT64_MIN, INT64_MAX).value_or(value) != value) {
    field.fail("must be " + std::to_string(value));
  }
}

void require_number(const JsonValue& field, int only) {
  if (field.optional_number(-1e9, 1e9).value_or(only) != only) field.fail("must be " + std::to_string(only));
}

void refuse_others(JsonFields& fields) {
  for (const std::string& name : fields.others())
    fields[name].fail("is not supported", "remove it if it changes nothing");
}

namespace {

// A list of what each layer is: wanted(layer).
template <class Wanted>
void require_layers(const JsonValue& field, Wanted wanted) {
  if (field.is_null()) return;
  const auto layers = std::int64_t(field.elements().size());
  for (std::int64_t layer = 0; layer < layers; ++layer)
    require_text(field.element(std::size_t(layer)), wanted(layer));
}

Yarn read_yarn(JsonFields& rope) {
  Yarn yarn;
  yarn.factor = rope["factor"].number(1, 1e4);
  yarn.original_max_position_embeddings =
      rope["original_max_position_embeddings"].integer(1, limits::positions);
  require_flag(rope["truncate"], true);  // of the range that the two betas span, to whole dimensions
  yarn.beta_fast = rope["beta_fast"].optional_number(1e-3, 1e6).value_or(yarn.beta_fast);
  yarn.beta_slow = rope["beta_slow"].optional_number(1e-3, 1e6).value_or(yarn.beta_slow);
  if (yarn.beta_fast < yarn.beta_slow) rope["beta_fast"].fail("must be at least beta_slow");
  // One without the other is read in two ways by the implementations that are around.
  const auto mscale = rope["mscale"].optional_number(0, 100);
  const auto mscale_all_dim = rope["mscale_all_dim"].optional_number(0, 100);
  if (mscale.has_value() != mscale_all_dim.has_value()) {
    rope[mscale ? "mscale" : "mscale_all_dim"].fail("needs both mscale and mscale_all_dim");
  }
  yarn.mscale = mscale.value_or(yarn.mscale);
  yarn.mscale_all_dim = mscale_all_dim.value_or(yarn.mscale_all_dim);
  yarn.attn_factor = rope["attn_factor"].optional_number(1e-3, 1e3).value_or(yarn.attn_factor);
  return yarn;
}

Llama3Rope read_llama3(JsonFields& rope) {
  Llama3Rope llama3;
  llama3.factor = rope["factor"].number(1, 1e4);
  llama3.low_freq_factor = rope["low_freq_factor"].number(1e-3, 1e6);
  llama3.high_freq_factor = rope["high_freq_factor"].number(1e-3, 1e6);
  if (llama3.high_freq_factor <= llama3.low_freq_factor)
    rope["high_freq_factor"].fail("must be more than low_freq_factor");
  llama3.original_max_position_embeddings =
      rope["original_max_position_embeddings"].integer(1, limits::positions);
  return llama3;
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

}  // namespace

void read_sizes(JsonFields& fields, ModelConfig& config) {
  config.vocab_size = fields["vocab_size"].integer(1, limits::vocab_size);
  config.hidden_size = fields["hidden_size"].integer(1, limits::hidden_size);
  config.num_attention_heads = fields["num_attention_heads"].integer(1, limits::heads);
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
  } else if (type == "llama3") {
    config.llama3 = read_llama3(rope);
  } else if (type != "default") {
    rope["rope_type"].fail("must be \"yarn\", \"llama3\" or \"default\"");
  }
  require_number(rope["partial_rotary_factor"], 1);
  refuse_others(rope);
}

void read_repetitions(JsonFields& fields, const ModelConfig& config) {
  require_number(fields["partial_rotary_factor"], 1);
  for (const char* name : {"num_experts", "num_local_experts"})
    require_equal(fields[name], config.n_routed_experts);
  if (config.has_latent() && config.latent().indexer)
    fields.ignore({"layer_types"});  // by several names of sparse attention
  else
    require_layers(fields["layer_types"], [](std::int64_t) { return "full_attention"; });
  require_layers(fields["mlp_layer_types"],
                 [&](std::int64_t layer) { return config.is_moe(layer) ? "sparse" : "dense"; });
  read_window(fields, config);
}

}  // namespace troupe::model
