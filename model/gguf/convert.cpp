#include "model/gguf/convert.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "model/gguf/convert_text.hpp"
#include "model/gguf/gguf_config.hpp"
#include "model/gguf/gguf_keys.hpp"
#include "model/gguf/gguf_tensors.hpp"
#include "model/gguf/quantise.hpp"
#include "model/gguf/weight_rows.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::model {

using kernels::DType;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t weights_at_once = std::int64_t(1) << 22;

// A tensor of the new checkpoint: the rows of one of the old, or of several that are stacked.
struct Target {
  TensorHeader header;
  std::vector<std::string> sources;  // published names
  std::int64_t paired_rows = 0;      // see StoredTensor
  std::vector<float> values{};       // that no tensor of the old one holds
};

// The next type for rows that are no whole blocks, as llama.cpp chooses it.
DType with_smaller_blocks(DType type) {
  switch (type) {
    case DType::q2_k:
    case DType::q3_k:
      return DType::iq4_nl;
    case DType::q4_k:
      return DType::q5_0;
    case DType::q5_k:
      return DType::q5_1;
    case DType::q6_k:
      return DType::q8_0;
    default:
      return DType::f16;
  }
}

DType fitting(DType type, std::int64_t columns) {
  while (columns % kernels::storage_unit(type).columns != 0) type = with_smaller_blocks(type);
  return type;
}

class Conversion {
 public:
  Conversion(const Checkpoint& checkpoint, const fs::path& out, const ConvertOptions& options)
      : checkpoint_(checkpoint), out_(out), options_(options), gguf_(is_gguf(out)), pool_(options.threads) {
    for (const ExpectedTensor& expected : expected_tensors(checkpoint.config()))
      if (checkpoint.has(expected.name) && !(gguf_ && expected.prediction_layer >= 0)) add(expected);
    if (const auto& llama3 = checkpoint.config().llama3; gguf_ && llama3) add_rope_factors(*llama3);
    for (const auto& [name, target] : targets_) {
      std::int64_t elements = 1;
      for (const std::int64_t extent : target.header.shape) elements *= extent;
      all_ += std::size_t(elements);
    }
  }

  void run() {
    std::vector<TensorHeader> headers;
    for (const auto& [name, target] : targets_) headers.push_back(target.header);
    if (gguf_) {
      GgufKeys keys = gguf_keys(with_special_tokens(checkpoint_, config_), checkpoint_.name(),
                                checkpoint_.folder().string());
      convert_text(checkpoint_, keys);
      GgufWriter writer(out_, keys, headers);
      write(writer);
    } else {
      make_folder();
      SafetensorsWriter writer(out_ / "model.safetensors", headers);
      write(writer);
    }
  }

 private:
  void add(const ExpectedTensor& expected) {
    const StoredTensor& stored = checkpoint_.tensor(expected.name);
    std::int64_t expert = -1;
    const std::string name = gguf_ ? gguf_name(expected.name, expert) : expected.name;
    if (name.empty())
      throw Error("has no name in GGUF", checkpoint_.folder().string() + ": " + expected.name);
    Target& target = targets_[name];
    if (target.sources.empty()) {
      target.header = {name, type_of(expected, stored), stored.shape};
      if (expert >= 0) target.header.shape.insert(target.header.shape.begin(), 0);
      if (gguf_) target.paired_rows = paired_rows(expected.name);
    }
    if (expert >= 0) ++target.header.shape.front();
    target.sources.push_back(expected.name);
  }

  void add_rope_factors(const Llama3Rope& rope) {
    const ModelConfig& config = checkpoint_.config();
    Target& target = targets_[std::string(gguf_rope_factors)];
    target.values = gguf_llama3_factors(rope, config.rope_theta, config.rope_dim(),
                                        (checkpoint_.folder() / "config.json").string() + ": rope_scaling");
    target.header = {std::string(gguf_rope_factors), DType::f32, {std::int64_t(target.values.size())}};
  }

  DType type_of(const ExpectedTensor& expected, const StoredTensor& stored) const {
    const bool router = expected.name.find(".mlp.gate.") != expected.name.npos;
    if (options_.type && !router) {
      if (expected.shape.size() == 2) return fitting(*options_.type, stored.shape.back());
      return kernels::in_blocks(*options_.type) ? DType::f32 : *options_.type;
    }
    const bool kept =
        stored.dtype != DType::f8_e4m3 && !stored.packed && (gguf_ || !kernels::in_blocks(stored.dtype));
    return kept ? stored.dtype : DType::f32;
  }

  // Llama's queries and keys, as gguf_tensors reads them.
  std::int64_t paired_rows(const std::string& name) const {
    const bool queries = name.ends_with(".q_proj.weight"), keys = name.ends_with(".k_proj.weight");
    if (checkpoint_.config().architecture != "LlamaForCausalLM" || (!queries && !keys)) return 0;
    const ModelConfig& config = checkpoint_.config();
    const std::int64_t heads = keys ? config.grouped().num_key_value_heads : config.num_attention_heads;
    return checkpoint_.tensor(name).shape.front() / heads;
  }

  template <class Writer>
  void write(Writer& writer) {
    for (const auto& [name, target] : targets_) {
      ConvertedTensor done{.name = name, .type = target.header.dtype, .bytes = target.header.bytes()};
      Errors errors;
      for (const std::string& source : target.sources) write_rows(writer, target, source, errors);
      if (!target.values.empty()) writer.append(std::as_bytes(std::span(target.values)));
      done_ += target.values.size();
      done.relative_error = errors.squares == 0 ? 0 : std::sqrt(errors.squared_errors / errors.squares);
      done.largest_error = errors.largest;
      if (options_.report) options_.report(done);
    }
    writer.finish();
  }

  struct Errors {
    double squares = 0, squared_errors = 0, largest = 0;
  };

  template <class Writer>
  void write_rows(Writer& writer, const Target& target, const std::string& source, Errors& errors) {
    const WeightRows rows(checkpoint_, source);
    const DType type = target.header.dtype;
    const std::int64_t columns = rows.columns(),
                       at_once = std::max<std::int64_t>(1, weights_at_once / columns);
    const std::size_t bytes = kernels::row_bytes(type, columns);
    const auto width = std::size_t(columns);
    StoredTensor order;
    order.paired_rows = target.paired_rows;
    std::mutex mutex;
    for (std::int64_t first = 0; first < rows.rows(); first += at_once) {
      const std::int64_t count = std::min(at_once, rows.rows() - first);
      std::vector<std::byte> piece(std::size_t(count) * bytes);
      pool_.parallel_for(count, std::max<std::int64_t>(1, count / (8 * pool_.threads())),
                         [&](std::int64_t begin, std::int64_t end) {
                           std::vector<float> weights(width), back(width);
                           Errors mine;
                           for (std::int64_t r = begin; r < end; ++r) {
                             const auto out = std::span(piece).subspan(std::size_t(r) * bytes, bytes);
                             rows.read(order.published_row(first + r), weights);
                             quantise(type, weights, out);
                             dequantise(type, out, back);
                             count_errors(weights, back, mine);
                           }
                           const std::lock_guard lock(mutex);
                           errors.squares += mine.squares;
                           errors.squared_errors += mine.squared_errors;
                           errors.largest = std::max(errors.largest, mine.largest);
                         });
      writer.append(piece);
      done_ += std::size_t(count * columns);
      if (options_.progress) options_.progress(done_, all_);
    }
  }

  static void count_errors(const std::vector<float>& weights, const std::vector<float>& back,
                           Errors& errors) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double off = double(back[i]) - weights[i];
      errors.squares += double(weights[i]) * weights[i];
      errors.squared_errors += off * off;
      errors.largest = std::max(errors.largest, std::abs(off));
    }
  }

  void make_folder() const {
    try {
      fs::create_directories(out_);
      if (!fs::is_empty(out_)) throw Error("is not empty", out_.string(), "give a new folder");
      for (const std::string& note : convert_text(checkpoint_, out_))
        if (options_.note) options_.note(note);
    } catch (const fs::filesystem_error& failure) {
      throw Error(failure.code().message(), out_.string());
    }
    nlohmann::json config = config_;
    config.erase("quantization_config");
    const std::string text = config.dump(2) + "\n";
    NewFile file(out_ / "config.json");
    file.append(std::as_bytes(std::span(text)));
    file.finish();
  }

  const Checkpoint& checkpoint_;
  const nlohmann::json config_ = nlohmann::json::parse(checkpoint_.config_text());
  const fs::path out_;
  const ConvertOptions& options_;
  const bool gguf_;
  ThreadPool pool_;
  std::map<std::string, Target> targets_;
  std::size_t done_ = 0, all_ = 0;
};

}  // namespace

void convert(const Checkpoint& checkpoint, const fs::path& out, const ConvertOptions& options) {
  if (!is_gguf(out) && options.type && kernels::in_blocks(*options.type))
    throw Error("has no type " + std::string(type_name(*options.type)), out.string(),
                "give a file whose name ends in .gguf, or another type");
  if (checkpoint.config().has_latent() && checkpoint.config().latent().split_kv_b_proj && !is_gguf(out))
    throw Error("has kv_b_proj in two tensors, which the published layout has not",
                checkpoint.folder().string());
  Conversion(checkpoint, out, options).run();
}

}  // namespace troupe::model
