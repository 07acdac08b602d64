// What `troupe convert` rounds weights to, against plain loops, and read again as any other folder.
#include "model/checkpoint/quantised/rounding.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

#include "kernels/number_formats.hpp"
#include "model/checkpoint/synth.hpp"
#include "model/gguf/convert.hpp"
#include "model/gguf/weight_rows.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/graphs/decoder_session.hpp"
#include "tests/model/graphs/reference_forward.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string one_down = "model.layers.1.mlp.experts.2.down_proj.",
                  one_query = "model.layers.0.self_attn.q_b_proj.", one_up = "model.layers.0.mlp.up_proj.";

// DeepSeek V3's graph with rows that are whole groups of every form.
nlohmann::json config_of_whole_groups() {
  nlohmann::json config = small_config();
  config.update({{"hidden_size", 256},
                 {"num_hidden_layers", 2},
                 {"q_lora_rank", 128},
                 {"kv_lora_rank", 128},
                 {"qk_nope_head_dim", 32},
                 {"qk_rope_head_dim", 16},
                 {"v_head_dim", 64},
                 {"moe_intermediate_size", 128},
                 {"intermediate_size", 256},
                 {"n_shared_experts", 1}});
  return config;
}

class RoundedCheckpoint : public testing::Test {
 protected:
  Checkpoint original(const nlohmann::json& config = config_of_whole_groups()) {
    write_synth(config, path("original"), {.weights = DType::bf16, .seed = 5});
    return Checkpoint::open(path("original"));
  }
  Checkpoint rounded(const Checkpoint& from, const RoundedForm& form, const std::string& name = "rounded") {
    ConvertOptions options;
    options.form = &form;
    options.report = [&](const ConvertedTensor& tensor) { report_[tensor.name] = tensor; };
    convert(from, path(name), options);
    return Checkpoint::open(path(name));
  }
  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

  TemporaryFolder folder_;
  std::map<std::string, ConvertedTensor> report_;
};

class RoundedForms : public RoundedCheckpoint, public testing::WithParamInterface<RoundedForm> {};

std::vector<float> weights_in(const Checkpoint& checkpoint, const std::string& name) {
  const WeightRows rows(checkpoint, name);
  std::vector<float> weights(std::size_t(rows.rows() * rows.columns()), 0.0f);
  for (std::int64_t r = 0; r < rows.rows(); ++r)
    rows.read(r, std::span(weights).subspan(std::size_t(r * rows.columns()), std::size_t(rows.columns())));
  return weights;
}

// What codes of a form count as, in scales.
std::vector<double> values_of_codes(const RoundedForm& form) {
  std::vector<double> values;
  if (form.form == QuantisedForm::packed_integers)
    for (int i = -(1 << (form.bits - 1)); i < 1 << (form.bits - 1); ++i) values.push_back(i);
  else if (form.form == QuantisedForm::fp8)
    for (int bits = 0; bits < 256; ++bits) {
      if ((bits & 0x7f) != 0x7f) values.push_back(kernels::decode_e4m3(std::uint8_t(bits)));
    }
  else
    for (const double value : {0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0})
      for (const int sign : {-1, 1}) values.push_back(sign * value);
  return values;
}

// The stored scales of a module, each as a plain number, by rows and groups.
std::vector<double> stored_scales(const SafetensorsFile& file, const std::string& module,
                                  const RoundedForm& form) {
  const StoredTensor& scales = file.tensors().at(module + "weight_scale");
  const auto byte = [&](std::size_t i) { return std::uint8_t(scales.bytes[i]); };
  std::vector<double> values;
  for (std::size_t i = 0; i < std::size_t(scales.elements()); ++i) switch (form.form) {
      case QuantisedForm::packed_mxfp4:
        values.push_back(std::ldexp(1.0, byte(i) - 127));
        break;
      case QuantisedForm::packed_nvfp4: {
        float global = 0;
        std::memcpy(&global, file.tensors().at(module + "weight_global_scale").bytes.data(), sizeof global);
        values.push_back(kernels::decode_e4m3(byte(i)) / double(global));
        break;
      }
      default:
        values.push_back(to_float(DType::bf16, &scales.bytes[2 * i]));
    }
  return values;
}

INSTANTIATE_TEST_SUITE_P(All, RoundedForms, testing::ValuesIn(rounded_forms().begin(), rounded_forms().end()),
                         [](const auto& form) { return std::string(form.param.name); });

// A code is one of those that lie nearest to the weight, and a scale reaches the group's largest.
TEST_P(RoundedForms, HasTheNearestCodesOfScalesThatReachTheLargest) {
  const RoundedForm& form = GetParam();
  const Checkpoint original = this->original(), checkpoint = rounded(original, form);
  const SafetensorsFile file = SafetensorsFile::open(path("rounded") / "model.safetensors");
  const std::vector<double> codes = values_of_codes(form);
  const double reach = *std::ranges::max_element(codes);
  for (const std::string& module : {one_down, one_query, one_up}) {
    const auto weights = weights_in(original, module + "weight"),
               got = weights_in(checkpoint, module + "weight");
    const std::vector<double> scales = stored_scales(file, module, form);
    const auto cols = std::size_t(original.tensor(module + "weight").shape[1]);
    const std::size_t group = form.group == 0 ? cols : std::size_t(form.group);
    ASSERT_EQ(scales.size(), weights.size() / group);
    for (std::size_t g = 0; g < scales.size(); ++g) {
      double largest = 0;
      for (std::size_t i = g * group; i < (g + 1) * group; ++i) {
        largest = std::max<double>(largest, std::abs(weights[i]));
        double least = 1e30;
        for (const double code : codes) least = std::min(least, std::abs(code * scales[g] - weights[i]));
        ASSERT_LE(std::abs(double(got[i]) - weights[i]), least + 1e-4 * scales[g]) << module << i;
      }
      // Half a step more than the largest code, or what a scale of 4 bits loses of it.
      ASSERT_LE(largest, scales[g] * (reach + 0.51) * 1.07) << module << g;
      ASSERT_GE(largest, scales[g] * reach * (form.form == QuantisedForm::packed_mxfp4 ? 0.58 : 0.93))
          << module << g;
    }
  }
}

TEST_P(RoundedForms, ComputesWhatItsWeightsSay) {
  const Checkpoint checkpoint = rounded(original(), GetParam());
  convert(checkpoint, path("widened"), {});
  const Checkpoint widened = Checkpoint::open(path("widened"));
  const Tokens text{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  const auto logits = [&](const Checkpoint& of, const SessionOptions& options) {
    return on_ranks(of, options, [&](Session& session) { return session.text(0, text, 4); });
  };
  const Logits got = logits(checkpoint, {});
  EXPECT_LE(worst_difference(got, ReferenceModel(widened).logits(text)), 2e-4);
  EXPECT_TRUE(same_bytes(logits(checkpoint, {.tensor_parallel = 2}), got));
  EXPECT_TRUE(same_bytes(logits(checkpoint, {.tensor_parallel = 2, .expert_parallel = true}), got));
}

TEST_P(RoundedForms, ErrorsAreThoseOfTheWeightsThatAreRead) {
  const Checkpoint original = this->original(), checkpoint = rounded(original, GetParam());
  int of_the_form = 0;
  for (const std::string& name : original.names()) {
    const auto weights = weights_in(original, name), got = weights_in(checkpoint, name);
    double squares = 0, errors = 0, largest = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double off = double(got[i]) - weights[i];
      squares += double(weights[i]) * weights[i];
      errors += off * off;
      largest = std::max(largest, std::abs(off));
    }
    ASSERT_TRUE(report_.contains(name)) << name;
    const ConvertedTensor& told = report_.at(name);
    EXPECT_NEAR(told.relative_error, squares == 0 ? 0 : std::sqrt(errors / squares), 1e-9) << name;
    EXPECT_EQ(told.largest_error, largest) << name;
    const bool is_rounded = told.type == GetParam().name;
    of_the_form += is_rounded;
    EXPECT_EQ(largest > 0, is_rounded) << name;
    EXPECT_LT(told.relative_error, GetParam().bits == 4 ? 0.15 : 0.04) << name;
  }
  // Attention's five matrices in three layers, one feed-forward layer, two of eight routed experts and a shared one.
  EXPECT_EQ(of_the_form, 3 * 5 + 3 + 2 * 9 * 3);
  EXPECT_EQ(report_.size(), original.names().size());
}

// As compressed-tensors' own folders: the tensors' names and types, and the modules that are as they were.
TEST_P(RoundedForms, LooksAsOthersWriteIt) {
  rounded(original(), GetParam());
  const auto config = nlohmann::json::parse(read_file(path("rounded") / "config.json"));
  const nlohmann::json& told = config["quantization_config"];
  EXPECT_EQ(told["quant_method"], "compressed-tensors");
  EXPECT_EQ(told["quantization_status"], "compressed");
  const nlohmann::json& group = told["config_groups"]["group_0"];
  EXPECT_EQ(group["targets"], nlohmann::json{"Linear"});
  EXPECT_EQ(group["weights"]["num_bits"], GetParam().bits);
  EXPECT_EQ(group["weights"]["group_size"].is_null(), GetParam().group == 0);
  std::vector<std::string> ignored = told["ignore"];
  std::ranges::sort(ignored);
  EXPECT_THAT(ignored, ElementsAre("lm_head", "model.layers.1.mlp.gate", "model.layers.2.eh_proj",
                                   "model.layers.2.mlp.gate", "model.layers.2.shared_head.head"));
  const SafetensorsFile file = SafetensorsFile::open(path("rounded") / "model.safetensors");
  for (const auto& [name, tensor] : file.tensors()) {
    const bool of_rows =
        name.starts_with(one_down) && !name.ends_with("shape") && !name.ends_with("global_scale");
    if (of_rows) {
      EXPECT_EQ(tensor.shape[0], 256) << name;
    }
  }
  EXPECT_EQ(file.tensors().contains(one_down + "weight"), GetParam().form == QuantisedForm::fp8);
  EXPECT_TRUE(file.tensors().contains(one_down + "weight_scale"));
  EXPECT_EQ(file.tensors().at("model.embed_tokens.weight").dtype, DType::bf16);
}

TEST_F(RoundedCheckpoint, FormatsHaveTheNamesThatOthersReadThemBy) {
  const auto told = [](const char* name) {
    const nlohmann::json config = quantization_config(*rounded_form(name), {});
    return config["format"].get<std::string>() + " " +
           config["config_groups"]["group_0"]["weights"]["strategy"].get<std::string>();
  };
  EXPECT_EQ(told("int4"), "pack-quantized group");
  EXPECT_EQ(told("int8"), "pack-quantized channel");
  EXPECT_EQ(told("int8_g128"), "pack-quantized group");
  EXPECT_EQ(told("fp8"), "float-quantized channel");
  EXPECT_EQ(told("nvfp4"), "nvfp4-pack-quantized tensor_group");
  EXPECT_EQ(told("mxfp4"), "mxfp4-pack-quantized group");
  EXPECT_EQ(rounded_form("gptq"), nullptr);
}

TEST_F(RoundedCheckpoint, RowsThatAreNoWholeGroupsStayAndAreListed) {
  nlohmann::json config = config_of_whole_groups();
  config["intermediate_size"] = 96;
  const Checkpoint checkpoint = rounded(original(config), *rounded_form("int4"));
  EXPECT_EQ(checkpoint.tensor("model.layers.0.mlp.down_proj.weight").dtype, DType::bf16);
  EXPECT_EQ(checkpoint.tensor("model.layers.0.mlp.up_proj.weight").dtype, DType::i4_128);
  const std::vector<std::string> ignored =
      nlohmann::json::parse(checkpoint.config_text())["quantization_config"]["ignore"];
  EXPECT_THAT(ignored, Contains("model.layers.0.mlp.down_proj"));
  EXPECT_THAT(ignored, Not(Contains("model.layers.0.mlp.up_proj")));
}

TEST_F(RoundedCheckpoint, OfNothingButSuchRowsIsRefused) {
  write_synth(small_config(), path("small"), {.weights = DType::bf16});
  const Checkpoint small = Checkpoint::open(path("small"));
  EXPECT_THAT(error_of([&] { rounded(small, *rounded_form("int4")); }),
              HasSubstr("has no rows of whole groups of 128 columns"));
  EXPECT_EQ(error_of([&] { rounded(small, *rounded_form("int8"), "int8"); }), "no error");
}

TEST_F(RoundedCheckpoint, HasNoPlaceInGguf) {
  EXPECT_THAT(error_of([&] { rounded(original(), *rounded_form("nvfp4"), "out.gguf"); }),
              AllOf(HasSubstr("has no type nvfp4"), HasSubstr("give a folder")));
}

// Of whatever a checkpoint was quantised to before, nothing is left.
TEST_F(RoundedCheckpoint, IsMadeOfOneThatIsQuantisedToo) {
  const Checkpoint eight = rounded(original(), *rounded_form("int8"), "eight"),
                   four = rounded(eight, *rounded_form("mxfp4"), "four");
  EXPECT_EQ(four.tensor(one_down + "weight").dtype, DType::mxfp4);
  const Checkpoint again = rounded(eight, *rounded_form("int8"), "again");
  EXPECT_LT(report_.at(one_down + "weight").relative_error, 0.01);
}

// Weights that others compute as one matrix share the global scale, which is that of the largest of them.
TEST_F(RoundedCheckpoint, GlobalScalesAreSharedByWhatIsComputedTogether) {
  original();
  const std::string mlp = "model.layers.0.mlp.", attention = "model.layers.0.self_attn.";
  std::vector<std::uint16_t> doubled;
  std::vector<TensorToWrite> tensors;
  const SafetensorsFile file = SafetensorsFile::open(path("original") / "model.safetensors");
  for (const auto& [name, stored] : file.tensors())
    tensors.push_back({{name, stored.dtype, stored.shape}, stored.bytes});
  for (TensorToWrite& tensor : tensors) {
    if (tensor.header.name != mlp + "up_proj.weight") continue;
    doubled.resize(tensor.bytes.size() / 2);
    std::memcpy(doubled.data(), tensor.bytes.data(), tensor.bytes.size());
    for (std::uint16_t& bits : doubled) bits = kernels::encode_bf16(2 * kernels::decode_bf16(bits));
    tensor.bytes = std::as_bytes(std::span(doubled));
  }
  std::filesystem::create_directory(path("altered"));
  std::filesystem::copy_file(path("original") / "config.json", path("altered") / "config.json");
  write_safetensors(path("altered") / "model.safetensors", tensors);
  rounded(Checkpoint::open(path("altered")), *rounded_form("nvfp4"));
  const SafetensorsFile written = SafetensorsFile::open(path("rounded") / "model.safetensors");
  const auto scale = [&](const std::string& module) {
    float value = 0;
    std::memcpy(&value, written.tensors().at(module + ".weight_global_scale").bytes.data(), sizeof value);
    return value;
  };
  float largest = 0;
  for (const std::uint16_t bits : doubled) largest = std::max(largest, std::abs(kernels::decode_bf16(bits)));
  EXPECT_EQ(scale(mlp + "up_proj"), 448.0f * 6 / largest);
  EXPECT_EQ(scale(mlp + "gate_proj"), scale(mlp + "up_proj"));
  EXPECT_GT(scale(mlp + "down_proj"), scale(mlp + "up_proj"));
  EXPECT_EQ(scale(attention + "q_a_proj"), scale(attention + "kv_a_proj_with_mqa"));
}

// One row by every form: zeros, the least and the largest that there are, ties.
TEST(RowRounding, TakesEdges) {
  for (const RoundedForm& form : rounded_forms()) {
    SCOPED_TRACE(form.name);
    const auto round = [&](std::vector<float> weights) {
      weights.resize(128, 0.0f);
      float largest = 0;
      for (const float weight : weights) largest = std::max(largest, std::abs(weight));
      const RowRounding rounding(form, 1, 128, largest);
      std::vector<std::byte> codes(rounding.code_bytes()), scales(rounding.scale_bytes());
      std::vector<float> back(weights.size(), 0.0f);
      rounding.round(weights, codes, scales, back);
      return back;
    };
    EXPECT_EQ(round({}), std::vector<float>(128, 0.0f));
    const float large = std::numeric_limits<float>::max() / 2,
                least = std::numeric_limits<float>::denorm_min();
    for (const float x : {1.0f, large, 0x1p-120f, least}) {
      const std::vector<float> back = round({x, -x});
      EXPECT_TRUE(std::isfinite(back[0]) && std::isfinite(back[1]));
      EXPECT_NEAR(back[1], -x, x == least ? x : x * 0.1f);
      EXPECT_NEAR(back[0], x, x == least ? x : x * 0.1f);
    }
  }
}

TEST(RowRounding, TiesOfE2m1GoToTheEvenCode) {
  const RowRounding rounding(*rounded_form("mxfp4"), 1, 32, 6);
  std::vector<float> weights{6, 0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5, -0.25f, -0.75f}, back(32, 0.0f);
  weights.resize(32, 0.0f);
  std::vector<std::byte> codes(rounding.code_bytes()), scales(rounding.scale_bytes());
  rounding.round(weights, codes, scales, back);
  back.resize(10);
  EXPECT_THAT(back, ElementsAre(6, 0, 1, 1, 2, 2, 4, 4, 0, -1));
}

}  // namespace
}  // namespace troupe::model
