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

// A tensor of the new checkpoint, or those that hold one weight: the rows of one of the old, or of several that are stacked.
struct Target {
  std::vector<TensorHeader> headers;
  const RoundedForm* form = nullptr;
  std::vector<std::string> sources;  // published names
  std::size_t elements = 0;
  std::int64_t paired_rows = 0;  // see StoredTensor
  std::vector<float> values{};   // that no tensor of the old one holds
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

// Makes the bytes of a weight's rows: in a type, or rounded to a form, whose scales follow the codes of all rows.
class Encoder {
 public:
  Encoder(DType type, std::int64_t cols) : type_(type), row_bytes_(kernels::row_bytes(type, cols)) {}
  Encoder(const RowRounding& rounding, std::int64_t rows)
      : rounding_(rounding), row_bytes_(rounding.code_bytes()) {
    scales_.resize(std::size_t(rows) * rounding.scale_bytes());
  }

  std::size_t row_bytes() const { return row_bytes_; }
  // back: what the row counts as. Any thread, each with rows of its own.
  void encode(std::int64_t row, std::span<const float> weights, std::span<std::byte> out,
              std::span<float> back) {
    if (!rounding_) {
      quantise(type_, weights, out);
      return dequantise(type_, out, back);
    }
    const std::size_t scales = rounding_->scale_bytes();
    rounding_->round(weights, out, std::span(scales_).subspan(std::size_t(row) * scales, scales), back);
  }
  // What follows the rows.
  std::vector<std::byte> rest() const {
    std::vector<std::byte> bytes = scales_;
    if (rounding_)
      for (const std::byte byte : rounding_->whole()) bytes.push_back(byte);
    return bytes;
  }

 private:
  DType type_ = DType::f32;
  std::optional<RowRounding> rounding_;
  std::size_t row_bytes_;
  std::vector<std::byte> scales_;
};

class Conversion {
 public:
  Conversion(const Checkpoint& checkpoint, const fs::path& out, const ConvertOptions& options)
      : checkpoint_(checkpoint), out_(out), options_(options), gguf_(is_gguf(out)), pool_(options.threads) {
    for (const ExpectedTensor& expected : expected_tensors(checkpoint.config()))
      if (checkpoint.has(expected.name) && !(gguf_ && expected.prediction_layer >= 0)) add(expected);
    if (const auto& llama3 = checkpoint.config().llama3; gguf_ && llama3) add_rope_factors(*llama3);
    for (const auto& [name, target] : targets_) all_ += target.elements;
    const auto is_rounded = [](const auto& each) { return each.second.form != nullptr; };
    if (options.form && std::ranges::none_of(targets_, is_rounded))
      throw Error("has no rows of whole groups of " + std::to_string(options.form->group) + " columns",
                  checkpoint.folder().string(), "take a type with smaller groups");
  }

  void run() {
    std::vector<TensorHeader> headers;
    for (const auto& [name, target] : targets_)
      headers.insert(headers.end(), target.headers.begin(), target.headers.end());
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
    target.elements += std::size_t(stored.elements());
    target.sources.push_back(expected.name);
    if (rounds(expected, stored)) {
      target.form = options_.form;
      target.headers = rounded_parts(*target.form, module_of(name), stored.shape[0], stored.shape[1]);
      return;
    }
    if (target.headers.empty()) {
      target.headers = {{name, type_of(expected, stored), stored.shape}};
      if (expert >= 0) target.headers[0].shape.insert(target.headers[0].shape.begin(), 0);
      if (gguf_) target.paired_rows = paired_rows(expected.name);
    }
    if (expert >= 0) ++target.headers[0].shape.front();
  }

  // "model.layers.0.mlp.up_proj." of the name of its weight.
  static std::string module_of(const std::string& name) {
    return name.substr(0, name.size() - std::string_view("weight").size());
  }

  bool rounds(const ExpectedTensor& expected, const StoredTensor& stored) {
    if (!options_.form || expected.shape.size() != 2) return false;
    const bool looked_up = expected.name.ends_with("embed_tokens.weight");
    if (expected.may_be_fp8 && options_.form->fits(stored.shape.back())) return true;
    if (looked_up) return false;
    std::string module = module_of(expected.name);
    module.pop_back();
    ignored_.push_back(std::move(module));
    return false;
  }

  void add_rope_factors(const Llama3Rope& rope) {
    const ModelConfig& config = checkpoint_.config();
    Target& target = targets_[std::string(gguf_rope_factors)];
    target.values = gguf_llama3_factors(rope, config.rope_theta, config.rope_dim(),
                                        (checkpoint_.folder() / "config.json").string() + ": rope_scaling");
    target.elements = target.values.size();
    target.headers = {{std::string(gguf_rope_factors), DType::f32, {std::int64_t(target.values.size())}}};
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

  struct Errors {
    double squares = 0, squared_errors = 0, largest = 0;
  };

  template <class Writer>
  void write(Writer& writer) {
    for (const auto& [name, target] : targets_) {
      ConvertedTensor done{.name = name, .type = type_text(target)};
      for (const TensorHeader& header : target.headers) done.bytes += header.bytes();
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

  static std::string type_text(const Target& target) {
    return std::string(target.form ? target.form->name : type_name(target.headers[0].dtype));
  }

  Encoder encoder(const Target& target, const std::string& source, const WeightRows& rows) {
    if (!target.form) return Encoder(target.headers[0].dtype, rows.columns());
    float largest = 0;
    if (target.form->form == QuantisedForm::packed_nvfp4)
      for (const std::string& name : computed_together(source))
        if (checkpoint_.has(name)) largest = std::max(largest, largest_of(name));
    return Encoder(RowRounding(*target.form, rows.rows(), rows.columns(), largest), rows.rows());
  }

  // Magnitude of a weight. Told once: it is asked for each of those that are computed together.
  float largest_of(const std::string& name) {
    const auto [known, is_new] = largest_.try_emplace(name, 0.0f);
    if (!is_new) return known->second;
    const WeightRows rows(checkpoint_, name);
    std::mutex mutex;
    pool_.parallel_for(rows.rows(), rows_at_once(rows), [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> weights(std::size_t(rows.columns()), 0.0f);
      float mine = 0;
      for (std::int64_t r = begin; r < end; ++r) {
        rows.read(r, weights);
        for (const float weight : weights) mine = std::max(mine, std::abs(weight));
      }
      const std::lock_guard lock(mutex);
      known->second = std::max(known->second, mine);
    });
    return known->second;
  }

  // Of a thread.
  std::int64_t rows_at_once(const WeightRows& rows) const {
    return std::max<std::int64_t>(1, weights_at_once / rows.columns() / (8 * pool_.threads()));
  }

  template <class Writer>
  void write_rows(Writer& writer, const Target& target, const std::string& source, Errors& errors) {
    const WeightRows rows(checkpoint_, source);
    Encoder encoder = this->encoder(target, source, rows);
    const std::int64_t columns = rows.columns(),
                       at_once = std::max<std::int64_t>(1, weights_at_once / columns);
    const std::size_t bytes = encoder.row_bytes();
    const auto width = std::size_t(columns);
    StoredTensor order;
    order.paired_rows = target.paired_rows;
    std::mutex mutex;
    for (std::int64_t first = 0; first < rows.rows(); first += at_once) {
      const std::int64_t count = std::min(at_once, rows.rows() - first);
      std::vector<std::byte> piece(std::size_t(count) * bytes);
      pool_.parallel_for(count, rows_at_once(rows), [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> weights(width), back(width);
        Errors mine;
        for (std::int64_t r = begin; r < end; ++r) {
          const auto out = std::span(piece).subspan(std::size_t(r) * bytes, bytes);
          rows.read(order.published_row(first + r), weights);
          encoder.encode(first + r, weights, out, back);
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
    if (const std::vector<std::byte> rest = encoder.rest(); !rest.empty()) writer.append(rest);
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
    if (options_.form) config["quantization_config"] = quantization_config(*options_.form, ignored());
    const std::string text = config.dump(2) + "\n";
    NewFile file(out_ / "config.json");
    file.append(std::as_bytes(std::span(text)));
    file.finish();
  }

  // Upstream the head is a module also where it is the embedding.
  std::vector<std::string> ignored() const {
    std::vector<std::string> modules = ignored_;
    if (checkpoint_.config().tie_word_embeddings) modules.push_back("lm_head");
    return modules;
  }

  const Checkpoint& checkpoint_;
  const nlohmann::json config_ = nlohmann::json::parse(checkpoint_.config_text());
  const fs::path out_;
  const ConvertOptions& options_;
  const bool gguf_;
  ThreadPool pool_;
  std::map<std::string, Target> targets_;
  std::vector<std::string> ignored_;      // modules with matrices that are not rounded
  std::map<std::string, float> largest_;  // see largest_of
  std::size_t done_ = 0, all_ = 0;
};

}  // namespace

void convert(const Checkpoint& checkpoint, const fs::path& out, const ConvertOptions& options) {
  if (!is_gguf(out) && options.type && kernels::in_blocks(*options.type))
    throw Error("has no type " + std::string(type_name(*options.type)), out.string(),
                "give a file whose name ends in .gguf, or another type");
  if (is_gguf(out) && options.form)
    throw Error("has no type " + std::string(options.form->name), out.string(),
                "give a folder, or another type");
  if (checkpoint.config().has_latent() && checkpoint.config().latent().split_kv_b_proj && !is_gguf(out))
    throw Error("has kv_b_proj in two tensors, which the published layout has not",
                checkpoint.folder().string());
  Conversion(checkpoint, out, options).run();
}

}  // namespace troupe::model
