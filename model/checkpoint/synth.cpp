#include "model/checkpoint/synth.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "model/checkpoint/expected_tensors.hpp"
#include "model/checkpoint/safetensors.hpp"
#include "model/checkpoint/synth_values.hpp"
#include "model/text/generation_config.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

namespace fs = std::filesystem;
using kernels::DType;
using nlohmann::json;

namespace {

constexpr std::size_t piece_elements = std::size_t(1) << 20;  // of one thread at a time

struct SynthTensor {
  TensorHeader header;
  SynthValues values;
};
using Shard = std::vector<SynthTensor>;

json fitted_config(json config, DType weights) {
  if (!config.is_object()) throw Error("must be a JSON object", "config");
  if (weights != DType::f8_e4m3) {
    config.erase("quantization_config");
  } else if (!config.contains("quantization_config") || config["quantization_config"].is_null()) {
    config["quantization_config"] = {{"quant_method", "fp8"},
                                     {"fmt", "e4m3"},
                                     {"activation_scheme", "dynamic"},
                                     {"weight_block_size", {Fp8Blocks{}.rows, Fp8Blocks{}.cols}}};
  }
  config["torch_dtype"] = weights == DType::f32 ? "float32" : "bfloat16";
  return config;
}

SynthTensor make_tensor(const ExpectedTensor& expected, DType dtype, std::uint64_t seed, float centre,
                        float bound) {
  return {{expected.name, dtype, expected.shape}, {dtype, synth_key(seed, expected.name), centre, bound}};
}

// Bound of a uniform distribution with variance 1 / fan_in.
float linear_bound(const ExpectedTensor& matrix) {
  return std::sqrt(3.0f / float(matrix.shape.back()));
}

void add_tensor(std::vector<SynthTensor>& tensors, const ExpectedTensor& expected, const ModelConfig& config,
                const SynthOptions& options) {
  const DType plain = options.weights == DType::f32 ? DType::f32 : DType::bf16;
  if (expected.name.ends_with("e_score_correction_bias")) {
    tensors.push_back(make_tensor(expected, DType::f32, options.seed, 0, 0.05f));
  } else if (expected.name.ends_with(".bias")) {
    tensors.push_back(make_tensor(expected, plain, options.seed, 0, 0.1f));
  } else if (expected.shape.size() == 1) {  // a norm
    tensors.push_back(make_tensor(expected, plain, options.seed, 1, 0.1f));
  } else if (expected.may_be_fp8 && options.weights == DType::f8_e4m3) {
    // Scales differ from block to block, so that one taken from a wrong block shows.
    const float scale = linear_bound(expected) / fp8_largest;
    tensors.push_back(make_tensor(expected, DType::f8_e4m3, options.seed, 0, 0));
    tensors.push_back(make_tensor(expected.scale(*config.fp8), DType::f32, options.seed, scale, scale / 2));
  } else {
    tensors.push_back(make_tensor(expected, plain, options.seed, 0, linear_bound(expected)));
  }
}

std::vector<Shard> split(std::vector<SynthTensor> tensors, std::size_t shard_bytes) {
  std::vector<Shard> shards(1);
  std::size_t used = 0;
  for (SynthTensor& tensor : tensors) {
    const std::size_t bytes = tensor.header.bytes();
    if (used > 0 && bytes > shard_bytes - std::min(used, shard_bytes)) {
      shards.emplace_back();
      used = 0;
    }
    used += bytes;
    shards.back().push_back(std::move(tensor));
  }
  for (Shard& shard : shards) {  // large elements first, so that each tensor is aligned to its type
    std::ranges::stable_sort(shard, std::ranges::greater{},
                             [](const SynthTensor& tensor) { return kernels::size_of(tensor.header.dtype); });
  }
  return shards;
}

// Fills a piece with several threads, each a slice of it.
void fill_piece(const SynthValues& values, std::uint64_t first, std::span<std::byte> piece, int threads) {
  const std::size_t element = kernels::size_of(values.dtype), count = piece.size() / element;
  const std::size_t slice = (count / std::size_t(threads) / synth_step + 1) * synth_step;
  std::vector<std::jthread> others;
  for (std::size_t begin = 0; begin < count; begin += slice) {
    const std::span<std::byte> part =
        piece.subspan(begin * element, std::min(slice, count - begin) * element);
    if (begin + slice < count && count > synth_step * 1024) {
      others.emplace_back([&values, first, begin, part] { fill_synth(values, first + begin, part); });
    } else {
      fill_synth(values, first + begin, part);
    }
  }
}

void write_shard(const fs::path& file, const Shard& shard, int threads) {
  std::vector<TensorHeader> headers;
  for (const SynthTensor& tensor : shard) headers.push_back(tensor.header);
  SafetensorsWriter writer(file, headers);
  std::vector<std::byte> piece;
  for (const SynthTensor& tensor : shard) {
    const std::size_t element = kernels::size_of(tensor.values.dtype), bytes = tensor.header.bytes();
    const std::size_t piece_bytes = piece_elements * std::size_t(threads) * element;
    for (std::size_t done = 0; done < bytes; done += piece.size()) {
      piece.resize(std::min(piece_bytes, bytes - done));
      fill_piece(tensor.values, done / element, piece, threads);
      writer.append(piece);
    }
  }
  writer.finish();
}

void write_json(const fs::path& file, const json& content) {
  std::ofstream out(file);
  out << content.dump(2) << '\n';
  out.close();
  if (!out) throw Error("cannot be written", file.string(), "check the path and the free space");
}

void write_shards(const fs::path& folder, const std::vector<Shard>& shards, int threads) {
  if (shards.size() == 1) return write_shard(folder / "model.safetensors", shards.front(), threads);
  json weight_map = json::object();
  std::size_t total = 0;
  const auto number = [](std::size_t i) {
    const std::string digits = std::to_string(i);
    return std::string(5 - std::min<std::size_t>(5, digits.size()), '0') + digits;
  };
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = "model-" + number(i + 1) + "-of-" + number(shards.size()) + ".safetensors";
    for (const SynthTensor& tensor : shards[i]) {
      weight_map[tensor.header.name] = name;
      total += tensor.header.bytes();
    }
    write_shard(folder / name, shards[i], threads);
  }
  write_json(folder / "model.safetensors.index.json",
             {{"metadata", {{"total_size", total}}}, {"weight_map", std::move(weight_map)}});
}

void copy_tokenizer(const fs::path& from, const fs::path& to, std::int64_t vocab_size) {
  load_tokenizer(from, vocab_size);
  load_generation_config(from, vocab_size);
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"}) {
    if (fs::exists(from / name)) fs::copy_file(from / name, to / name);
  }
}

}  // namespace

void write_synth(const json& config_json, const fs::path& folder, const SynthOptions& options) {
  CHECK(options.threads > 0 && options.shard_bytes > 0);
  const json fitted = fitted_config(config_json, options.weights);
  const ModelConfig config = parse_config(fitted, "config");
  std::vector<SynthTensor> tensors;
  for (const ExpectedTensor& expected : expected_tensors(config))
    add_tensor(tensors, expected, config, options);
  try {
    fs::create_directories(folder);
    if (!fs::is_empty(folder)) throw Error("is not empty", folder.string(), "give a new folder");
    if (!options.tokenizer.empty()) copy_tokenizer(options.tokenizer, folder, config.vocab_size);
    write_shards(folder, split(std::move(tensors), options.shard_bytes), options.threads);
    write_json(folder / "config.json", fitted);
  } catch (const fs::filesystem_error& failure) {
    throw Error(failure.code().message(), folder.string());
  }
}

}  // namespace troupe::model
