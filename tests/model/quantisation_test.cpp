#include "model/quantisation.hpp"

#include <nlohmann/json.hpp>

#include "model/config.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json with_quantisation(const json& quantisation) {
  json config = small_config();
  config["quantization_config"] = quantisation;
  return config;
}
Quantisation quantisation_of(const json& quantisation) {
  return parse_config(with_quantisation(quantisation), "c").quantisation.value();
}

// As published checkpoints have them.
const json gptq = json::parse(R"({
  "batch_size": 1, "bits": 4, "block_name_to_quantize": null, "cache_block_outputs": true, "damp_percent": 0.01,
  "dataset": null, "desc_act": false, "exllama_config": {"version": 1}, "group_size": 128, "max_input_length": null,
  "model_seqlen": null, "module_name_preceding_first_block": null, "modules_in_block_to_quantize": null,
  "pad_token_id": null, "quant_method": "gptq", "sym": true, "tokenizer": null, "true_sequential": true,
  "use_cuda_fp16": false, "use_exllama": true})");
const json awq = json::parse(R"({
  "bits": 4, "group_size": 128, "modules_to_not_convert": null, "quant_method": "awq", "version": "gemm",
  "zero_point": true})");
// Kimi-K2-Thinking.
const json packed = json::parse(R"({
  "config_groups": {"group_0": {"input_activations": null, "output_activations": null, "targets": ["Linear"],
    "weights": {"actorder": null, "block_structure": null, "dynamic": false, "group_size": 32, "num_bits": 4,
                "observer": "minmax", "observer_kwargs": {}, "strategy": "group", "symmetric": true, "type": "int"}}},
  "format": "pack-quantized", "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*"],
  "kv_cache_scheme": null, "quant_method": "compressed-tensors", "quantization_status": "compressed"})");
// DeepSeek-R1-0528-FP4.
const json modelopt = json::parse(R"({
  "config_groups": {"group_0": {"input_activations": {"dynamic": false, "num_bits": 4, "type": "float", "group_size": 16},
    "weights": {"dynamic": false, "num_bits": 4, "type": "float", "group_size": 16}}},
  "ignore": ["lm_head"], "quant_algo": "NVFP4", "producer": {"name": "modelopt", "version": "0.31.0"},
  "quant_method": "modelopt"})");
const json bitsandbytes = json::parse(R"({
  "_load_in_4bit": true, "_load_in_8bit": false, "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8",
  "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true, "llm_int8_enable_fp32_cpu_offload": false,
  "llm_int8_has_fp16_weight": false, "llm_int8_skip_modules": ["lm_head"], "llm_int8_threshold": 6.0,
  "load_in_4bit": true, "load_in_8bit": false, "quant_method": "bitsandbytes"})");

// The weights' fields of a group of compressed-tensors, and its format.
json packed_with(const char* format, const json& weights) {
  json changed = packed;
  changed["format"] = format;
  changed["config_groups"]["group_0"]["weights"].update(weights);
  return changed;
}

TEST(Quantisation, ReadsWhatIsPublished) {
  const Quantisation of_gptq = quantisation_of(gptq);
  EXPECT_EQ(of_gptq.form, QuantisedForm::gptq);
  EXPECT_EQ(of_gptq.bits, 4);
  EXPECT_EQ(of_gptq.scale_cols, 128);
  EXPECT_TRUE(of_gptq.zeros_less_one);
  json second = gptq;
  second.update({{"checkpoint_format", "gptq_v2"}, {"bits", 8}, {"group_size", -1}});
  EXPECT_FALSE(quantisation_of(second).zeros_less_one);
  EXPECT_EQ(quantisation_of(second).bits, 8);
  EXPECT_EQ(quantisation_of(second).scale_cols, 0);
  EXPECT_EQ(quantisation_of(awq).form, QuantisedForm::awq);
  EXPECT_EQ(quantisation_of(awq).scale_cols, 128);
  EXPECT_EQ(quantisation_of(bitsandbytes).form, QuantisedForm::bitsandbytes_nf4);
  EXPECT_EQ(quantisation_of(modelopt).form, QuantisedForm::nvfp4);
  json fp8 = modelopt;
  fp8["quant_algo"] = "FP8";
  EXPECT_EQ(quantisation_of(fp8).form, QuantisedForm::fp8);
  EXPECT_EQ(quantisation_of(fp8).scale_rows, 0);
}

// As GPTQModel 5 writes them.
TEST(Quantisation, ReadsWhatGptqModelSays) {
  const json said = json::parse(R"({
    "bits": 4, "group_size": 128, "desc_act": false, "sym": true, "lm_head": false, "quant_method": "gptq",
    "checkpoint_format": "gptq", "pack_dtype": "int32", "meta": {"quantizer": ["gptqmodel:5.6.12"], "mse": 0.0},
    "pack_impl": "cpu", "format": "gptq", "dynamic": {"-:.*mlp\\.gate$": {}, "-:lm_head": {}}})");
  EXPECT_TRUE(quantisation_of(said).zeros_less_one);
  json second = said;
  second.update({{"checkpoint_format", nullptr}, {"format", "gptq_v2"}});
  EXPECT_FALSE(quantisation_of(second).zeros_less_one);
  json of_awq = said;
  of_awq.update(
      {{"quant_method", "awq"}, {"format", "gemm"}, {"checkpoint_format", "gemm"}, {"zero_point", true}});
  EXPECT_EQ(quantisation_of(of_awq).form, QuantisedForm::awq);
}

TEST(Quantisation, ReadsWhatAutoRoundSaysOfGptq) {
  json said = json::parse(R"({
    "act_bits": 16, "act_data_type": "int", "act_dynamic": true, "act_group_size": 128, "act_sym": true, "amp": true,
    "autoround_version": "0.5.1", "batch_size": 8, "bits": 4, "damp_percent": 0.01, "data_type": "int", "desc_act": false,
    "enable_minmax_tuning": true, "enable_norm_bias_tuning": false, "enable_quanted_input": true,
    "gradient_accumulate_steps": 1, "group_size": 128, "iters": 1000, "low_gpu_mem_usage": true, "lr": 0.001,
    "minmax_lr": 0.001, "nsamples": 512, "quant_method": "gptq", "scale_dtype": "torch.float16", "seqlen": 2048,
    "super_bits": null, "super_group_size": null, "sym": true, "to_quant_block_names": null, "true_sequential": false})");
  EXPECT_EQ(quantisation_of(said).scale_cols, 128);
  said["super_bits"] = 6;
  EXPECT_THAT(error_of([&] { quantisation_of(said); }), HasSubstr("super_bits is not supported"));
}

TEST(Quantisation, ModelOptsOwnFileCounts) {
  const TemporaryFolder folder;
  // Of the model that was quantised once more.
  const json config =
      with_quantisation({{"quant_method", "fp8"}, {"fmt", "e4m3"}, {"weight_block_size", {128, 128}}});
  const auto written = [&](const char* name, const json& text) {
    std::ofstream(folder.path() / name) << text;
  };
  written("config.json", config);
  EXPECT_TRUE(load_config(folder.path() / "config.json").fp8.has_value());
  json said{{"producer", {{"name", "modelopt"}, {"version", "0.33.0"}}},
            {"quantization",
             {{"quant_algo", "NVFP4"},
              {"kv_cache_quant_algo", "FP8"},
              {"group_size", 16},
              {"exclude_modules", {"lm_head", "model.layers.61*"}}}}};
  written("hf_quant_config.json", said);
  const ModelConfig read = load_config(folder.path() / "config.json");
  EXPECT_FALSE(read.fp8.has_value());
  EXPECT_EQ(read.quantisation.value().form, QuantisedForm::nvfp4);
  const auto refusal = [&] { return error_of([&] { load_config(folder.path() / "config.json"); }); };
  said["quantization"] = 4;
  written("hf_quant_config.json", said);
  EXPECT_THAT(refusal(), HasSubstr("hf_quant_config.json: quantization must be a JSON object"));
  written("config.json", json::array());
  EXPECT_THAT(refusal(), HasSubstr("must be a JSON object"));
}

TEST(Quantisation, ReadsTheFormatsOfCompressedTensors) {
  const Quantisation integers = quantisation_of(packed);
  EXPECT_EQ(integers.form, QuantisedForm::packed_integers);
  EXPECT_EQ(integers.scale_cols, 32);
  EXPECT_TRUE(integers.symmetric);
  const json channel{{"num_bits", 8}, {"strategy", "channel"}, {"group_size", nullptr}};
  json floats = channel;
  floats["type"] = "float";
  const Quantisation int8 = quantisation_of(packed_with("int-quantized", channel)),
                     fp8 = quantisation_of(packed_with("float-quantized", floats));
  EXPECT_EQ(int8.form, QuantisedForm::integers);
  EXPECT_EQ(fp8.form, QuantisedForm::fp8);
  for (const Quantisation& read : {int8, fp8}) {
    EXPECT_EQ(read.scale_rows, 1);
    EXPECT_EQ(read.scale_cols, 0);
  }
  floats.update({{"strategy", "block"}, {"block_structure", {128, 64}}});
  const Quantisation blocks = quantisation_of(packed_with("float-quantized", floats));
  EXPECT_EQ(blocks.scale_rows, 128);
  EXPECT_EQ(blocks.scale_cols, 64);
  floats.update({{"strategy", "tensor"}, {"block_structure", nullptr}});
  EXPECT_EQ(quantisation_of(packed_with("float-quantized", floats)).scale_rows, 0);
  EXPECT_EQ(
      quantisation_of(packed_with("nvfp4-pack-quantized", {{"type", "float"}, {"group_size", 16}})).form,
      QuantisedForm::packed_nvfp4);
  EXPECT_EQ(quantisation_of(packed_with("mxfp4-pack-quantized", {{"type", "float"}})).form,
            QuantisedForm::packed_mxfp4);
  // Newer files say the format with the group.
  json newer = packed;
  newer["format"] = "mixed-precision";
  newer["config_groups"]["group_0"]["format"] = "pack-quantized";
  newer.update({{"sparsity_config", json::object()}, {"transform_config", json::object()}});
  EXPECT_EQ(quantisation_of(newer).form, QuantisedForm::packed_integers);
  // And the first ones less.
  const json first = json::parse(R"({
    "config_groups": {"group_0": {"input_activations": {"num_bits": 8, "strategy": "tensor", "type": "float"},
      "targets": ["Linear"], "weights": {"num_bits": 8, "strategy": "tensor", "type": "float"}}},
    "format": "naive-quantized", "ignore": ["lm_head"], "quant_method": "compressed-tensors",
    "quantization_status": "frozen"})");
  EXPECT_EQ(quantisation_of(first).form, QuantisedForm::fp8);
  EXPECT_EQ(quantisation_of(first).scale_rows, 0);
}

TEST(Quantisation, OneScaleAMatrixNeedsNoBlocks) {
  EXPECT_EQ(quantisation_of({{"quant_method", "fp8"}, {"activation_scheme", "static"}}).scale_rows, 0);
  EXPECT_EQ(quantisation_of({{"quant_method", "fbgemm_fp8"}, {"activation_scale_ub", 1200.0}}).scale_rows, 1);
}

TEST(Quantisation, RefusesByNameWhatItDoesNotKnow) {
  const auto refusal = [](json quantisation, const char* pointer, const json& value) {
    quantisation[json::json_pointer(pointer)] = value;
    return error_of([&] { parse_config(with_quantisation(quantisation), "c"); });
  };
  EXPECT_THAT(refusal(gptq, "/quant_method", "exl2"),
              HasSubstr("quant_method must be one of those that are supported"));
  EXPECT_THAT(refusal(gptq, "/bits", 3), HasSubstr("bits is 3"));
  EXPECT_THAT(refusal(gptq, "/group_size", 48), HasSubstr("group_size is 48"));
  EXPECT_THAT(refusal(gptq, "/group_size", 0), HasSubstr("group_size is 0"));
  EXPECT_THAT(refusal(gptq, "/group_size", limits::weight_block * 2), HasSubstr("group_size is "));
  EXPECT_THAT(refusal(gptq, "/checkpoint_format", "marlin"), HasSubstr("checkpoint_format must be"));
  EXPECT_THAT(refusal(gptq, "/is_marlin_format", true), HasSubstr("is_marlin_format is true"));
  EXPECT_THAT(refusal(gptq, "/dynamic", {{".*down_proj", {{"bits", 8}}}}),
              HasSubstr("dynamic..*down_proj is not supported"));
  EXPECT_THAT(refusal(gptq, "/dynamic", 1), HasSubstr("dynamic must be a JSON object"));
  EXPECT_THAT(refusal(gptq, "/format", "marlin"), HasSubstr("format must be"));
  EXPECT_THAT(refusal(gptq, "/pack_dtype", "int16"), HasSubstr("pack_dtype is \"int16\""));
  EXPECT_THAT(refusal(awq, "/format", "gemv_fast"), HasSubstr("format must be \"gemm\""));
  EXPECT_THAT(refusal(awq, "/version", "gemv"), HasSubstr("version must be \"gemm\""));
  EXPECT_THAT(refusal(awq, "/zero_point", false), HasSubstr("zero_point is false"));
  EXPECT_THAT(refusal(awq, "/bits", 8), HasSubstr("bits is 8"));
  EXPECT_THAT(refusal(awq, "/rotation", "x"), HasSubstr("rotation is not supported"));
  EXPECT_THAT(refusal(bitsandbytes, "/bnb_4bit_quant_type", "fp4"), HasSubstr("bnb_4bit_quant_type must be"));
  EXPECT_THAT(refusal(bitsandbytes, "/load_in_8bit", true), HasSubstr("load_in_8bit is true"));
  EXPECT_THAT(refusal(bitsandbytes, "/bnb_4bit_quant_storage", "bfloat16"),
              HasSubstr("bnb_4bit_quant_storage is"));
  EXPECT_THAT(refusal(modelopt, "/quant_algo", "W4A8_AWQ"), HasSubstr("quant_algo is \"W4A8_AWQ\""));
  EXPECT_THAT(refusal(modelopt, "/group_size", 32), HasSubstr("group_size must be 16"));
  EXPECT_THAT(refusal(packed, "/format", "marlin-24"), HasSubstr("format is \"marlin-24\""));
  EXPECT_THAT(refusal(packed, "/config_groups/group_1", json::object()),
              HasSubstr("config_groups must be one group"));
  EXPECT_THAT(refusal(packed, "/quantization_status", "calibration"), HasSubstr("quantization_status is"));
  EXPECT_THAT(refusal(packed, "/transform_config", {{"R1", "hadamard"}}),
              HasSubstr("transform_config is not"));
  EXPECT_THAT(refusal(packed, "/sparsity_config", {{"format", "sparse-24-bitmask"}}),
              HasSubstr("sparsity_config.format"));
  const char* const weights = "/config_groups/group_0/weights";
  const auto of_weights = [&](const char* name, const json& value) {
    return refusal(packed, (std::string(weights) + "/" + name).c_str(), value);
  };
  EXPECT_THAT(of_weights("num_bits", 3), HasSubstr("with weights of 3 bits of type int"));
  EXPECT_THAT(of_weights("type", "float"), HasSubstr("with weights of 4 bits of type float"));
  EXPECT_THAT(of_weights("strategy", "attn_head"), HasSubstr("strategy is \"attn_head\""));
  EXPECT_THAT(of_weights("dynamic", true), HasSubstr("dynamic is true"));
  EXPECT_THAT(of_weights("group_size", 24), HasSubstr("group_size is 24"));
  EXPECT_THAT(of_weights("block_rotation", 1), HasSubstr("block_rotation is not supported"));
}

}  // namespace
}  // namespace troupe::model
