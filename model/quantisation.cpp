#include "model/quantisation.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "model/config.hpp"
#include "model/config_fields.hpp"

namespace troupe::model {
namespace {

// Columns of a group; -1 is all of a row.
std::int64_t read_group(const JsonValue& field, std::int64_t unit) {
  const std::int64_t group = field.integer(-1, limits::weight_block);
  if (group == -1) return 0;
  if (group == 0 || group % unit != 0)
    field.fail("is " + std::to_string(group) + "; groups of multiples of " + std::to_string(unit) +
               " columns are supported, and -1 for whole rows");
  return group;
}

void require_group(const JsonValue& field, std::int64_t only) {
  if (field.optional_integer(0, limits::weight_block).value_or(only) != only)
    field.fail("must be " + std::to_string(only));
}

int read_bits(const JsonValue& field) {
  const std::int64_t bits = field.integer(1, 64);
  if (bits != 4 && bits != 8) field.fail("is " + std::to_string(bits) + "; 4 and 8 are supported");
  return int(bits);
}

void read_fp8(JsonFields& fields, ModelConfig& config) {
  require_text(fields["fmt"], "e4m3");
  // How activations were rounded on the publisher's GPUs.
  fields.ignore(
      {"activation_scheme", "scale_fmt", "modules_to_not_convert", "ignored_layers", "kv_cache_scheme"});
  const JsonValue block = fields["weight_block_size"];
  if (block.is_null()) {
    config.quantisation = Quantisation{.form = QuantisedForm::fp8, .bits = 8, .scale_rows = 0};
    return;
  }
  if (!block.value().is_array() || block.value().size() != 2) block.fail("must be two integers");
  config.fp8 = Fp8Blocks{block.element(0).integer(1, limits::weight_block),
                         block.element(1).integer(1, limits::weight_block)};
}

void read_fbgemm(JsonFields& fields, ModelConfig& config) {
  fields.ignore({"activation_scale_ub", "modules_to_not_convert"});
  config.quantisation = Quantisation{.form = QuantisedForm::fp8, .bits = 8};
}

// GPTQModel's patterns of modules that are quantised in another way; "-:..." are not at all, which the files show.
void read_dynamic(const JsonValue& field) {
  if (field.is_null()) return;
  if (!field.value().is_object()) field.fail("must be a JSON object");
  for (const auto& [pattern, other] : field.value().items())
    if (!pattern.starts_with("-:") && !other.empty())
      field[pattern].fail("is not supported: all quantised weights must have one form");
}

// What AutoGPTQ, optimum, GPTQModel and AutoRound tell of how it was quantised, and of what the files show: whether zero
// points are one and the same, columns in order, and which modules are plain.
const std::initializer_list<std::string_view> told_of_gptq{"act_bits",
                                                           "act_data_type",
                                                           "act_dynamic",
                                                           "act_group_aware",
                                                           "act_group_size",
                                                           "act_sym",
                                                           "amp",
                                                           "autoround_version",
                                                           "backend",
                                                           "batch_size",
                                                           "block_name_to_quantize",
                                                           "cache_block_outputs",
                                                           "damp_auto_increment",
                                                           "damp_percent",
                                                           "dataset",
                                                           "desc_act",
                                                           "disable_exllama",
                                                           "enable_minmax_tuning",
                                                           "enable_norm_bias_tuning",
                                                           "enable_quanted_input",
                                                           "exllama_config",
                                                           "gradient_accumulate_steps",
                                                           "iters",
                                                           "lm_head",
                                                           "low_gpu_mem_usage",
                                                           "lr",
                                                           "max_input_length",
                                                           "meta",
                                                           "method",
                                                           "minmax_lr",
                                                           "model_file_base_name",
                                                           "model_name_or_path",
                                                           "model_seqlen",
                                                           "module_name_preceding_first_block",
                                                           "modules_in_block_to_quantize",
                                                           "modules_to_not_convert",
                                                           "mse",
                                                           "nsamples",
                                                           "pack_impl",
                                                           "pad_token_id",
                                                           "quantizer",
                                                           "scale_dtype",
                                                           "seqlen",
                                                           "static_groups",
                                                           "sym",
                                                           "to_quant_block_names",
                                                           "tokenizer",
                                                           "true_sequential",
                                                           "use_cuda_fp16",
                                                           "use_exllama"};

void read_gptq(JsonFields& fields, ModelConfig& config) {
  Quantisation read{.form = QuantisedForm::gptq, .symmetric = false};
  read.bits = read_bits(fields["bits"]);
  read.scale_cols = read_group(fields["group_size"], 32);
  const JsonValue said = fields["checkpoint_format"], again = fields["format"];
  const JsonValue& format = said.is_null() ? again : said;
  const std::string name = format.optional_text().value_or("gptq");
  if (name != "gptq" && name != "gptq_v2") format.fail("must be \"gptq\" or \"gptq_v2\"");
  read.zeros_less_one = name == "gptq";
  require_flag(fields["is_marlin_format"], false);
  require_text(fields["pack_dtype"], "int32");
  read_dynamic(fields["dynamic"]);
  require_text(fields["data_type"], "int");
  fields.ignore(told_of_gptq);
  config.quantisation = read;
}

void read_awq(JsonFields& fields, ModelConfig& config) {
  if (const std::int64_t bits = fields["bits"].integer(1, 64); bits != 4)
    fields["bits"].fail("is " + std::to_string(bits) + "; 4 is supported");
  for (const char* name : {"version", "format", "checkpoint_format"}) {
    const std::string version = fields[name].optional_text().value_or("gemm");
    if (version != "gemm" && version != "GEMM") fields[name].fail("must be \"gemm\"");
  }
  require_flag(fields["zero_point"], true);
  require_text(fields["pack_dtype"], "int32");
  read_dynamic(fields["dynamic"]);
  fields.ignore({"backend", "desc_act", "do_fuse", "exllama_config", "fuse_max_seq_len", "lm_head", "meta",
                 "method", "modules_to_fuse", "modules_to_not_convert", "pack_impl", "sym"});
  config.quantisation = Quantisation{
      .form = QuantisedForm::awq, .symmetric = false, .scale_cols = read_group(fields["group_size"], 32)};
}

void read_bitsandbytes(JsonFields& fields, ModelConfig& config) {
  if (fields["load_in_8bit"].optional_boolean().value_or(false))
    fields["load_in_8bit"].fail("is true; weights of 4 bits alone are supported");
  if (!fields["load_in_4bit"].boolean()) fields["load_in_4bit"].fail("must be true");
  const JsonValue type = fields["bnb_4bit_quant_type"];
  if (type.text() != "nf4") type.fail("must be \"nf4\"");
  require_text(fields["bnb_4bit_quant_storage"], "uint8");
  // Of scales that are quantised themselves the files tell. What is computed in describes the publisher's GPUs.
  fields.ignore({"_load_in_4bit", "_load_in_8bit", "bnb_4bit_compute_dtype", "bnb_4bit_use_double_quant",
                 "llm_int8_enable_fp32_cpu_offload", "llm_int8_has_fp16_weight", "llm_int8_skip_modules",
                 "llm_int8_threshold"});
  config.quantisation = Quantisation{.form = QuantisedForm::bitsandbytes_nf4};
}

// Of a config_groups' group.
Quantisation read_weights(JsonFields& weights, const JsonValue& format) {
  Quantisation read;
  read.bits = int(weights["num_bits"].integer(1, 64));
  read.symmetric = weights["symmetric"].optional_boolean().value_or(true);
  const std::string type = weights["type"].optional_text().value_or("int");
  const bool floats = type == "float";
  if (type != "int" && type != "float") weights["type"].fail("must be \"int\" or \"float\"");
  const std::string name = format.text();
  const auto is = [&](std::initializer_list<std::string_view> names, bool of_floats, std::int64_t bits) {
    return std::ranges::find(names, name) != names.end() && floats == of_floats && read.bits == bits;
  };
  if (is({"pack-quantized"}, false, 4) || is({"pack-quantized"}, false, 8))
    read.form = QuantisedForm::packed_integers;
  else if (is({"int-quantized", "naive-quantized"}, false, 8))
    read.form = QuantisedForm::integers;
  else if (is({"float-quantized", "naive-quantized"}, true, 8))
    read.form = QuantisedForm::fp8;
  else if (is({"nvfp4-pack-quantized"}, true, 4))
    read.form = QuantisedForm::packed_nvfp4;
  else if (is({"mxfp4-pack-quantized"}, true, 4))
    read.form = QuantisedForm::packed_mxfp4;
  else
    format.fail("is \"" + name + "\" with weights of " + std::to_string(read.bits) + " bits of type " + type +
                ", which is not supported");
  if (floats && !read.symmetric) weights["symmetric"].fail("is false for floating-point weights");
  return read;
}

void read_strategy(JsonFields& weights, Quantisation& read) {
  const JsonValue strategy = weights["strategy"], group = weights["group_size"],
                  block = weights["block_structure"];
  const std::string name = strategy.optional_text().value_or(group.is_null() ? "tensor" : "group");
  if (read.form == QuantisedForm::packed_nvfp4) return require_group(group, 16);
  if (read.form == QuantisedForm::packed_mxfp4) return require_group(group, 32);
  if (name == "tensor") {
    read.scale_rows = 0;
  } else if (name == "group") {
    read.scale_cols = read_group(group, read.form == QuantisedForm::fp8 ? 1 : 32);
  } else if (name == "block" && read.form == QuantisedForm::fp8) {
    read.scale_rows = block.element(0).integer(1, limits::weight_block);
    read.scale_cols = block.element(1).integer(1, limits::weight_block);
  } else if (name != "channel") {
    strategy.fail("is \"" + name + "\", which is not supported");
  }
}

void read_compressed_tensors(JsonFields& fields, ModelConfig& config) {
  // The first ones said "frozen" of the same.
  const JsonValue status = fields["quantization_status"];
  if (status.optional_text() != "frozen") require_text(status, "compressed");
  // How activations and a cache are rounded elsewhere; which modules are plain, the files show.
  fields.ignore({"global_compression_ratio", "ignore", "kv_cache_scheme", "version"});
  if (const JsonValue sparsity = fields["sparsity_config"]; !sparsity.is_null() && !sparsity.value().empty())
    require_text(sparsity["format"], "dense");
  const JsonValue groups = fields["config_groups"];
  if (!groups.value().is_object() || groups.value().size() != 1)
    groups.fail("must be one group: all quantised weights are stored in one form");
  JsonFields group(groups[groups.value().begin().key()]);
  group.ignore({"input_activations", "output_activations", "targets"});
  JsonFields weights(group["weights"]);
  const JsonValue own = group["format"];
  Quantisation read = read_weights(weights, own.is_null() ? fields["format"] : own);
  fields.ignore({"format"});
  read_strategy(weights, read);
  require_flag(weights["dynamic"], false);
  weights.ignore({"actorder", "observer", "observer_kwargs", "scale_dtype", "zp_dtype"});
  refuse_others(weights);
  refuse_others(group);
  config.quantisation = read;
}

void read_modelopt(JsonFields& fields, ModelConfig& config) {
  const JsonValue algorithm = fields["quant_algo"];
  const std::string name = algorithm.text();
  if (name == "NVFP4") {
    require_group(fields["group_size"], 16);
    config.quantisation = Quantisation{.form = QuantisedForm::nvfp4};
  } else if (name == "FP8") {
    config.quantisation = Quantisation{.form = QuantisedForm::fp8, .bits = 8, .scale_rows = 0};
  } else {
    algorithm.fail("is \"" + name + "\"; \"NVFP4\" and \"FP8\" are supported");
  }
  // config_groups says the same in other words.
  fields.ignore(
      {"config_groups", "exclude_modules", "ignore", "kv_cache_quant_algo", "kv_cache_scheme", "producer"});
}

using Read = void (*)(JsonFields&, ModelConfig&);
constexpr std::array<std::pair<std::string_view, Read>, 8> methods{
    {{"fp8", read_fp8},
     {"fbgemm_fp8", read_fbgemm},
     {"gptq", read_gptq},
     {"awq", read_awq},
     {"bitsandbytes", read_bitsandbytes},
     {"compressed-tensors", read_compressed_tensors},
     {"modelopt", read_modelopt},
     {"modelopt_fp4", read_modelopt}}};

}  // namespace

void read_quantization(JsonFields& fields, ModelConfig& config) {
  const JsonValue given = fields["quantization_config"];
  if (given.is_null()) return;
  JsonFields quantization(given);
  const JsonValue method = quantization["quant_method"];
  const auto name = method.optional_text();
  std::string known;
  for (const auto& [each, read] : methods) {
    known += (known.empty() ? "\"" : ", \"") + std::string(each) + "\"";
    if (name != each) continue;
    read(quantization, config);
    return refuse_others(quantization);
  }
  method.fail("must be one of those that are supported: " + known);
}

}  // namespace troupe::model
