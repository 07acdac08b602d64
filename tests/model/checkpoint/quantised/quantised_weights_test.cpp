// tests/data/quantised has a small checkpoint in each form, and beside it what numpy makes of two of its weights.
#include "model/checkpoint/quantised/quantised_weights.hpp"

#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/weights.hpp"
#include "model/checkpoint/finite.hpp"
#include "model/checkpoint/weights.hpp"
#include "model/gguf/convert.hpp"
#include "tests/model/checkpoint/checkpoint_folder.hpp"
#include "tests/model/graphs/decoder_session.hpp"

namespace troupe::model {
namespace {

using kernels::DType;
using testing::AllOf;
using testing::HasSubstr;

struct QuantisedCheckpoint {
  const char* name;
  DType type;            // of its weights
  bool in_order = true;  // of columns
};
constexpr QuantisedCheckpoint quantised_checkpoints[] = {{"gptq-4bit", DType::i4_32},
                                                         {"gptq-8bit", DType::i8_32},
                                                         {"gptq-8bit-rows", DType::i8_128},
                                                         {"gptq-act-order", DType::i4_32, false},
                                                         {"awq", DType::i4_32},
                                                         {"packed-int4", DType::i4_bf16},
                                                         {"packed-int4-zeros", DType::i4_32},
                                                         {"packed-int4-act-order", DType::q4_0, false},
                                                         {"packed-int8-rows", DType::i8_128},
                                                         {"int8", DType::i8_128},
                                                         {"int8-zeros", DType::i8_128},
                                                         {"fp8-channel", DType::f8_e4m3},
                                                         {"fp8-tensor", DType::f8_e4m3},
                                                         {"nvfp4", DType::nvfp4},
                                                         {"packed-nvfp4", DType::nvfp4},
                                                         {"packed-mxfp4", DType::mxfp4},
                                                         {"nf4", DType::nf4},
                                                         {"nf4-double", DType::nf4},
                                                         {"deepseek-nvfp4", DType::nvfp4},
                                                         {"deepseek-act-order", DType::i4_32, false}};

std::filesystem::path quantised_folder(const std::string& name) {
  return std::filesystem::path(TEST_DATA) / "quantised" / name;
}

const std::string down = "model.layers.0.mlp.down_proj.";  // [64, 128]

// A matrix that numpy made.
struct Expected {
  std::int64_t rows, cols;
  std::vector<float> values;

  float at(std::int64_t row, std::int64_t col) const { return values[std::size_t(row * cols + col)]; }
};

std::map<std::string, Expected> expected_of(const std::string& name) {
  const SafetensorsFile file = SafetensorsFile::open(quantised_folder(name) / "expected.safetensors");
  std::map<std::string, Expected> result;
  for (const auto& [key, stored] : file.tensors()) {
    Expected& matrix = result[key] = {stored.shape[0], stored.shape[1], {}};
    matrix.values.resize(std::size_t(stored.elements()));
    std::memcpy(matrix.values.data(), stored.bytes.data(), stored.bytes.size());
  }
  return result;
}

class QuantisedWeights : public ::testing::TestWithParam<QuantisedCheckpoint> {
 protected:
  WeightReader reader() {
    WeightReader reader(checkpoint_, *ops_);
    reader.store_in(storage_);
    return reader;
  }

  const Checkpoint checkpoint_ = Checkpoint::open(quantised_folder(GetParam().name));
  const std::map<std::string, Expected> expected_ = expected_of(GetParam().name);
  std::unique_ptr<kernels::Ops> ops_ = kernels::make_cpu_ops(1);
  Storage storage_{*ops_};
};

INSTANTIATE_TEST_SUITE_P(Forms, QuantisedWeights, testing::ValuesIn(quantised_checkpoints),
                         [](const auto& of) {
                           std::string name = of.param.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(QuantisedWeights, AreThoseOfNumpy) {
  ASSERT_EQ(expected_.size(), 2u);
  for (const auto& [name, expected] : expected_) {
    WeightReader reading = reader();
    const Slice rows{0, expected.rows}, cols{0, expected.cols};
    const kernels::Weight w = reading.matrix(name, rows, cols);
    const kernels::Weight turned = reading.turned_stack({{name, rows, cols}}).front();
    reading.run();
    // Where all columns of a row are one group, blocks are the largest.
    if (name == down + "weight") {
      EXPECT_EQ(w.dtype, GetParam().type);
    }
    EXPECT_EQ(w.order == nullptr, GetParam().in_order);
    for (std::int64_t r = 0; r < expected.rows; ++r)
      for (std::int64_t c = 0; c < expected.cols; ++c) {
        ASSERT_EQ(kernels::dequantise(w, r, c), expected.at(r, w.order ? w.order[c] : c))
            << name << r << " " << c;
        ASSERT_EQ(kernels::dequantise(turned, c, r), expected.at(r, c)) << name << r << " " << c;
      }
  }
}

TEST_P(QuantisedWeights, AreCutAnywhereUnlessGroupsAreOutOfOrder) {
  const Expected& expected = expected_.at(down + "weight");
  const Slice rows{3, 40}, cols{37, 80};
  WeightReader reading = reader();
  const auto cut = [&] { return reading.matrix(down + "weight", rows, cols, 50); };
  if (!GetParam().in_order) {
    EXPECT_THAT(error_of(cut), AllOf(HasSubstr(down + "weight"), HasSubstr("columns 37 to 116 of 128")));
    return;
  }
  const kernels::Weight part = cut();
  reading.run();
  ASSERT_EQ(part.rows, 50);
  for (std::int64_t r = 0; r < rows.count; ++r)
    for (std::int64_t c = 0; c < cols.count; ++c)
      ASSERT_EQ(kernels::dequantise(part, r, c), expected.at(rows.first + r, cols.first + c))
          << r << " " << c;
}

TEST_P(QuantisedWeights, AreMultipliedByTheirOwnInputs) {
  const Expected& expected = expected_.at(down + "weight");
  WeightReader reading = reader();
  const kernels::Weight w = reading.matrix(down + "weight", {0, expected.rows}, {0, expected.cols});
  reading.run();
  std::vector<float> x, out;
  for (std::int64_t c = 0; c < expected.cols; ++c) x.push_back(float(c * c % 37) - 18);
  out.resize(std::size_t(expected.rows));
  kernels::ImmediateQueue queue;
  ops_->linear(queue, {x.data(), DType::f32, {1, expected.cols}}, w,
               {out.data(), DType::f32, {1, expected.rows}});
  for (std::int64_t r = 0; r < expected.rows; ++r) {
    double sum = 0, size = 0;
    for (std::int64_t c = 0; c < expected.cols; ++c) {
      sum += double(expected.at(r, c)) * x[std::size_t(c)];
      size += std::abs(double(expected.at(r, c)) * x[std::size_t(c)]);
    }
    ASSERT_NEAR(out[std::size_t(r)], sum, size * 137 * 0x1p-24) << r;
  }
}

// What `troupe convert` makes of it in F32 is the same model; where scales or another order of columns are left out of
// sums, of the same bytes.
TEST_P(QuantisedWeights, AModelIsThatOfItsWeightsInF32) {
  const TemporaryFolder folder;
  convert(checkpoint_, folder.path() / "plain", {});
  const Checkpoint plain = Checkpoint::open(folder.path() / "plain");
  const Tokens text{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5};
  const auto logits = [&](const Checkpoint& checkpoint, const SessionOptions& options) {
    return on_ranks(checkpoint, options, [&](Session& session) { return session.text(0, text, 4); });
  };
  const Logits expected = logits(plain, {}), got = logits(checkpoint_, {});
  EXPECT_LT(worst_difference(got, expected), 1e-3);
  const bool same_sums = GetParam().in_order && !kernels::is_scaled(GetParam().type);
  if (same_sums) {
    EXPECT_TRUE(same_bytes(got, expected));
  }
  EXPECT_TRUE(same_bytes(logits(checkpoint_, {.gpu = true}), got)) << "on a GPU";
  if (GetParam().in_order) {
    EXPECT_TRUE(same_bytes(logits(checkpoint_, {.tensor_parallel = 2}), got)) << "on two ranks";
  }
  if (checkpoint_.config().n_routed_experts > 0) {
    const std::vector<std::int64_t> of_groups{std::ssize(text), std::ssize(text)};
    for (const Logits& logits :
         on_groups(checkpoint_, {.data_parallel = 2, .expert_parallel = true}, [&](Session& session) {
           return session.step({{0, text}}, of_groups);
         }))
      EXPECT_TRUE(same_bytes(logits, got)) << "with experts on two ranks";
  }
}

TEST_P(QuantisedWeights, AreFinite) {
  for (const std::string& name : checkpoint_.names())
    EXPECT_TRUE(all_finite(checkpoint_.tensor(name))) << name;
}

// A copy of a checkpoint with other tensors.
class AlteredWeights : public ::testing::Test {
 protected:
  // change(tensors): by name.
  template <class Change>
  std::string opening(const std::string& original, Change change) {
    const SafetensorsFile file = SafetensorsFile::open(quantised_folder(original) / "model.safetensors");
    std::map<std::string, TensorToWrite> tensors;
    for (const auto& [key, stored] : file.tensors())
      tensors[key] = {{key, stored.dtype, stored.shape}, stored.bytes};
    change(tensors);
    std::vector<TensorToWrite> written;
    for (const auto& [key, tensor] : tensors) written.push_back(tensor);
    for (const char* name : {"config.json", "hf_quant_config.json"}) {
      remove(folder_.path() / name);
      if (exists(quantised_folder(original) / name))
        copy_file(quantised_folder(original) / name, folder_.path() / name);
    }
    write_safetensors(folder_.path() / "model.safetensors", written);
    return error_of([&] { Checkpoint::open(folder_.path()); });
  }
  template <class Change>
  std::string loading(const std::string& original, Change change) {
    opening(original, change);
    return error_of([&] {
      const Checkpoint checkpoint = Checkpoint::open(folder_.path());
      const auto ops = kernels::make_cpu_ops(1);
      Storage storage(*ops);
      WeightReader reader(checkpoint, *ops);
      reader.store_in(storage);
      reader.matrix(down + "weight", {0, 64}, {0, 128});
      reader.run();
    });
  }

  TemporaryFolder folder_;
};
using Tensors = std::map<std::string, TensorToWrite>;

TEST_F(AlteredWeights, APartThatIsMissingIsNamed) {
  for (const auto& [form, part] : std::initializer_list<std::pair<const char*, const char*>>{
           {"gptq-4bit", "qzeros"},
           {"gptq-4bit", "scales"},
           {"awq", "qzeros"},
           {"packed-int4", "weight_scale"},
           {"packed-int4", "weight_shape"},
           {"packed-int4-zeros", "weight_zero_point"},
           {"int8-zeros", "weight_zero_point"},
           {"nvfp4", "weight_scale_2"},
           {"packed-nvfp4", "weight_global_scale"},
           {"packed-mxfp4", "weight_scale"},
           {"nf4", "weight.quant_map"},
           {"nf4", "weight.quant_state.bitsandbytes__nf4"},
           {"nf4-double", "weight.nested_absmax"},
           {"nf4-double", "weight.nested_quant_map"}})
    EXPECT_THAT(opening(form, [&](Tensors& tensors) { tensors.erase(down + part); }),
                HasSubstr(down + part + ": is missing"));
  // Without its mark a weight is none of the form's.
  EXPECT_THAT(opening("gptq-4bit", [](Tensors& tensors) { tensors.erase(down + "qweight"); }),
              HasSubstr(down + "weight: is missing"));
  EXPECT_THAT(opening("fp8-channel", [](Tensors& tensors) { tensors.erase(down + "weight_scale"); }),
              HasSubstr(down + "weight: is F8_E4M3"));
}

TEST_F(AlteredWeights, APartOfAnotherTypeOrShapeIsNamed) {
  for (const auto& [form, part] :
       std::initializer_list<std::pair<const char*, const char*>>{{"gptq-4bit", "qweight"},
                                                                  {"gptq-4bit", "g_idx"},
                                                                  {"gptq-4bit", "scales"},
                                                                  {"awq", "qweight"},
                                                                  {"packed-int4", "weight_packed"},
                                                                  {"packed-int8-rows", "weight_scale"},
                                                                  {"int8", "weight"},
                                                                  {"fp8-channel", "weight_scale"},
                                                                  {"nvfp4", "weight_scale"},
                                                                  {"packed-mxfp4", "weight_scale"},
                                                                  {"nf4", "weight.absmax"},
                                                                  {"nf4", "weight"}}) {
    SCOPED_TRACE(std::string(form) + " " + part);
    const auto altered = [&, name = down + part](auto change) {
      return opening(form, [&](Tensors& tensors) { change(tensors.at(name)); });
    };
    EXPECT_THAT(altered([](TensorToWrite& tensor) {
                  tensor.header.dtype = DType::i64;
                  tensor.header.shape = {std::int64_t(tensor.bytes.size() / 8)};
                }),
                HasSubstr(down + part + ": has type I64"));
    EXPECT_THAT(altered([](TensorToWrite& tensor) {
                  tensor.header.shape.back() /= 2;
                  tensor.bytes = tensor.bytes.first(tensor.header.bytes());
                }),
                AllOf(HasSubstr(down), HasSubstr("has shape")));
  }
}

TEST_F(AlteredWeights, AMatrixOfNothingOrOfTooMuchIsRefused) {
  for (const std::int64_t rows : {std::int64_t(0), most_extent + 1})
    EXPECT_THAT(
        opening("fp8-tensor",
                [&](Tensors& tensors) {
                  TensorToWrite& weight = tensors.at(down + "weight");
                  weight.header.shape = {rows, 0};
                  weight.bytes = {};
                }),
        HasSubstr("weight: has shape [" + std::to_string(rows) + ", 0]; it must be a matrix of 1 to"));
}

TEST_F(AlteredWeights, GroupsThatColumnsCannotHaveAreRefused) {
  std::vector<std::int32_t> groups(std::size_t(128));
  const auto with_groups = [&](Tensors& tensors) {
    tensors.at(down + "g_idx").bytes = std::as_bytes(std::span(groups));
  };
  for (std::int32_t c = 0; c < 128; ++c) groups[std::size_t(c)] = c / 32;
  EXPECT_EQ(opening("gptq-act-order", with_groups), "no error");
  groups[5] = 4;
  EXPECT_THAT(opening("gptq-act-order", with_groups), HasSubstr("g_idx: has column 5 in group 4 of 4"));
  groups[5] = -1;
  EXPECT_THAT(opening("gptq-act-order", with_groups), HasSubstr("has column 5 in group -1 of 4"));
  groups[5] = 1;
  EXPECT_THAT(opening("gptq-act-order", with_groups), HasSubstr("has 31 columns in group 0 instead of 32"));
}

// compressed-tensors' for weights that it has not put in another order.
TEST_F(AlteredWeights, GroupsThatWereNeverSetAreInOrder) {
  std::vector<std::int32_t> groups(std::size_t(128), -1);
  const auto with_groups = [&](Tensors& tensors) {
    tensors.at(down + "weight_g_idx").bytes = std::as_bytes(std::span(groups));
  };
  EXPECT_EQ(opening("packed-int4-act-order", with_groups), "no error");
  const Checkpoint checkpoint = Checkpoint::open(folder_.path());
  EXPECT_TRUE(checkpoint.tensor(down + "weight").order().empty());
  EXPECT_FALSE(checkpoint.tensor("model.layers.0.self_attn.q_proj.weight").order().empty());
  groups[127] = 0;
  EXPECT_THAT(opening("packed-int4-act-order", with_groups), HasSubstr("has column 0 in group -1 of 4"));
}

TEST_F(AlteredWeights, AWeightThatIsThereTwiceIsRefused) {
  const std::vector<std::uint16_t> numbers(std::size_t(64 * 128));
  const auto with_plain = [&](Tensors& tensors) {
    tensors[down + "weight"] = {{down + "weight", DType::bf16, {64, 128}}, std::as_bytes(std::span(numbers))};
  };
  for (const char* form : {"gptq-4bit", "awq", "packed-int4", "packed-nvfp4"})
    EXPECT_THAT(opening(form, with_plain), HasSubstr(down + "weight: is there besides the parts")) << form;
  const std::vector<float> scale(std::size_t(1));
  EXPECT_THAT(opening("fp8-tensor",
                      [&](Tensors& tensors) {
                        const std::string name = down + "weight_scale_inv";
                        tensors[name] = {{name, DType::f32, {1, 1}}, std::as_bytes(std::span(scale))};
                      }),
              HasSubstr(down + "weight_scale_inv: is there besides the parts"));
}

TEST_F(AlteredWeights, BiasesOfZerosThatTheModelHasNotAreLeftOut) {
  std::vector<std::uint16_t> bias(std::size_t(64));
  const auto with_bias = [&](Tensors& tensors) {
    tensors[down + "bias"] = {{down + "bias", DType::f16, {64}}, std::as_bytes(std::span(bias))};
  };
  EXPECT_EQ(opening("gptq-4bit", with_bias), "no error");
  bias[7] = 1;
  EXPECT_THAT(opening("gptq-4bit", with_bias),
              HasSubstr(down + "bias: is not a tensor that config.json calls for"));
}

TEST_F(AlteredWeights, ScalesThatAreNoNumbersAreRefused) {
  std::vector<std::byte> bytes;
  const auto spoilt = [&](const std::string& part, std::initializer_list<int> last) {
    return [&, part, last](Tensors& tensors) {
      TensorToWrite& tensor = tensors.at(down + part);
      bytes.assign(tensor.bytes.begin(), tensor.bytes.end());
      std::ranges::transform(last, bytes.end() - std::ptrdiff_t(last.size()),
                             [](int byte) { return std::byte(byte); });
      tensor.bytes = bytes;
    };
  };
  const std::string refusal = down + "weight, row 63";
  EXPECT_THAT(loading("gptq-4bit", spoilt("scales", {0, 0x7c})), HasSubstr(refusal));
  EXPECT_THAT(loading("packed-int4", spoilt("weight_scale", {0xc0, 0x7f})), HasSubstr(refusal));
  EXPECT_THAT(loading("nvfp4", spoilt("weight_scale", {0x7f})), HasSubstr(refusal));
  EXPECT_THAT(loading("packed-mxfp4", spoilt("weight_scale", {0xff})), HasSubstr(refusal));
  EXPECT_THAT(loading("nf4", spoilt("weight.absmax", {0, 0, 0x80, 0xff})), HasSubstr(refusal));
  EXPECT_THAT(loading("fp8-tensor", spoilt("weight_scale", {0, 0, 0xc0, 0x7f})),
              HasSubstr(down + "weight_scale_inv"));
  EXPECT_THAT(loading("packed-nvfp4", spoilt("weight_global_scale", {0, 0, 0, 0})),
              HasSubstr("weight_global_scale: is 0.000000, which scales cannot be divided by"));
  EXPECT_THAT(loading("nvfp4", spoilt("weight_scale_2", {0, 0, 0x80, 0x7f})),
              HasSubstr("weight_scale_2: is inf, which is no number"));
}

TEST_F(AlteredWeights, WhatABlockOfNf4IsIsSaid) {
  const auto with_state = [&](std::string text) {
    return opening("nf4", [&](Tensors& tensors) {
      TensorToWrite& state = tensors.at(down + "weight.quant_state.bitsandbytes__nf4");
      state.bytes = std::as_bytes(std::span(text));
      state.header.shape = {std::int64_t(text.size())};
    });
  };
  EXPECT_EQ(with_state(R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [64, 128]})"),
            "no error");
  EXPECT_THAT(with_state(R"({"quant_type": "fp4", "blocksize": 64, "shape": [64, 128]})"),
              HasSubstr("quant_type must be \"nf4\""));
  EXPECT_THAT(with_state(R"({"quant_type": "nf4", "blocksize": 96, "shape": [64, 128]})"),
              HasSubstr("has blocks of 96"));
  EXPECT_THAT(with_state(R"({"quant_type": "nf4", "blocksize": 64, "shape": [128, 64]})"),
              HasSubstr("has shape"));
  EXPECT_THAT(with_state(R"({"quant_type": "nf4", "blocksize": 64, "shape": [64, 128], "rotated": 1})"),
              HasSubstr("rotated"));
  EXPECT_THAT(with_state("{"), HasSubstr("model.safetensors: " + down + "weight.quant_state"));
  EXPECT_THAT(with_state(R"({"quant_type": "nf4", "blocksize": 64, "shape": [2147483648, 2147483648]})"),
              HasSubstr("weight: has shape"));
  EXPECT_THAT(with_state(R"({"quant_type": "nf4", "blocksize": 64, "shape": [2147483649, 64]})"),
              HasSubstr("shape[0] is 2147483649"));
}

}  // namespace
}  // namespace troupe::model
