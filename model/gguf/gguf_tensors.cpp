#include "model/gguf/gguf_tensors.hpp"

#include <algorithm>
#include <charconv>

#include "model/config.hpp"
#include "model/gguf/gguf_config.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

struct Name {
  std::string_view gguf, published;
};
constexpr Name of_model[] = {
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
};
// Behind "blk.N." and "model.layers.N.". # is the number of an expert, of which the file has all in one tensor.
constexpr Name of_layer[] = {
    {"attn_norm.weight", "input_layernorm.weight"},
    {"ffn_norm.weight", "post_attention_layernorm.weight"},
    {"attn_q.weight", "self_attn.q_proj.weight"},
    {"attn_k.weight", "self_attn.k_proj.weight"},
    {"attn_v.weight", "self_attn.v_proj.weight"},
    {"attn_q.bias", "self_attn.q_proj.bias"},
    {"attn_k.bias", "self_attn.k_proj.bias"},
    {"attn_v.bias", "self_attn.v_proj.bias"},
    {"attn_q_norm.weight", "self_attn.q_norm.weight"},
    {"attn_k_norm.weight", "self_attn.k_norm.weight"},
    {"attn_output.weight", "self_attn.o_proj.weight"},
    {"attn_q_a.weight", "self_attn.q_a_proj.weight"},
    {"attn_q_a_norm.weight", "self_attn.q_a_layernorm.weight"},
    {"attn_q_b.weight", "self_attn.q_b_proj.weight"},
    {"attn_kv_a_mqa.weight", "self_attn.kv_a_proj_with_mqa.weight"},
    {"attn_kv_a_norm.weight", "self_attn.kv_a_layernorm.weight"},
    {"attn_kv_b.weight", "self_attn.kv_b_proj.weight"},
    {"attn_k_b.weight", "self_attn.k_b_proj.weight"},
    {"attn_v_b.weight", "self_attn.v_b_proj.weight"},
    {"ffn_gate.weight", "mlp.gate_proj.weight"},
    {"ffn_up.weight", "mlp.up_proj.weight"},
    {"ffn_down.weight", "mlp.down_proj.weight"},
    {"ffn_gate_inp.weight", "mlp.gate.weight"},
    {"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
    {"ffn_gate_exps.weight", "mlp.experts.#.gate_proj.weight"},
    {"ffn_up_exps.weight", "mlp.experts.#.up_proj.weight"},
    {"ffn_down_exps.weight", "mlp.experts.#.down_proj.weight"},
    {"ffn_gate_shexp.weight", "mlp.shared_experts.gate_proj.weight"},
    {"ffn_up_shexp.weight", "mlp.shared_experts.up_proj.weight"},
    {"ffn_down_shexp.weight", "mlp.shared_experts.down_proj.weight"},
};
constexpr std::string_view gguf_layer = "blk.", published_layer = "model.layers.";

// The number at the beginning of text, which loses it and the dot behind it; -1: there is none.
std::int64_t take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = std::size_t(end - text.data());
  if (failure != std::errc() || number < 0 || length >= text.size() || text[length] != '.') return -1;
  text.remove_prefix(length + 1);
  return number;
}

// One matrix of a stack.
StoredTensor part_of(const StoredTensor& stack, std::int64_t index) {
  StoredTensor part = stack;
  part.shape.erase(part.shape.begin());
  const std::size_t size = stack.bytes.size() / std::size_t(stack.shape.front());
  part.bytes = stack.bytes.subspan(std::size_t(index) * size, size);
  return part;
}

// Rows of all matrices of a stack, one after another.
StoredTensor flattened(StoredTensor stack) {
  while (stack.shape.size() > 2) {
    stack.shape[1] *= stack.shape[0];
    stack.shape.erase(stack.shape.begin());
  }
  return stack;
}

class Collection {
 public:
  explicit Collection(const std::vector<GgufFile>& files)
      : llama_(gguf_architecture(files.front()) == GgufArchitecture::llama) {
    if (llama_) read_heads(files.front());
    for (const GgufFile& file : files)
      for (const auto& [name, tensor] : file.tensors()) add(name, tensor, file.path().string());
  }

  LocatedTensors tensors;

 private:
  void read_heads(const GgufFile& first) {
    heads_ = first.at("llama.attention.head_count").integer(1, limits::heads);
    key_heads_ = first.has("llama.attention.head_count_kv")
                     ? first.at("llama.attention.head_count_kv").integer(1, limits::heads)
                     : heads_;
  }

  void add(const std::string& name, StoredTensor tensor, const std::string& file) {
    const std::string published = published_name(name);
    if (const std::size_t number = published.find('#'); number != published.npos)
      return add_stack(published, number, tensor, file + ": " + name, file);
    if (llama_ && name.ends_with(".attn_q.weight")) pair_rows(tensor, heads_, file + ": " + name);
    if (llama_ && name.ends_with(".attn_k.weight")) pair_rows(tensor, key_heads_, file + ": " + name);
    put(published, flattened(std::move(tensor)), file);
  }

  void put(std::string name, StoredTensor tensor, const std::string& file) {
    const auto [at, is_new] = tensors.emplace(std::move(name), LocatedTensor{std::move(tensor), file});
    if (!is_new) throw Error("is there under two names", file + ": " + at->first);
  }

  void add_stack(const std::string& published, std::size_t number, const StoredTensor& stack,
                 const std::string& where, const std::string& file) {
    if (stack.shape.size() != 3 || stack.shape[0] > limits::routed_experts)
      throw Error("has shape " + shape_text(stack.shape) + "; matrices of at most " +
                      std::to_string(limits::routed_experts) + " experts are stacked",
                  where);
    experts_ += stack.shape[0];
    if (experts_ > most_matrices)
      throw Error("and those before it stack more than " + std::to_string(most_matrices) + " matrices",
                  where);
    for (std::int64_t expert = 0; expert < stack.shape[0]; ++expert) {
      std::string name = published;
      name.replace(number, 1, std::to_string(expert));
      put(std::move(name), part_of(stack, expert), file);
    }
  }

  // Llama's rows are in the order in which llama.cpp rotates neighbours (LlamaModel.permute of its converter).
  static void pair_rows(StoredTensor& tensor, std::int64_t heads, const std::string& where) {
    const std::int64_t rows = tensor.shape.front();
    if (rows % (2 * heads) != 0)
      throw Error(
          "has " + std::to_string(rows) + " rows, which are no pairs of " + std::to_string(heads) + " heads",
          where);
    tensor.paired_rows = rows / heads;
  }

  static constexpr std::int64_t most_matrices = 3 * limits::experts_of_all_layers;

  bool llama_;
  std::int64_t heads_ = 0, key_heads_ = 0, experts_ = 0;
};

}  // namespace

std::string published_name(std::string_view gguf_name) {
  const auto* const whole = std::ranges::find(of_model, gguf_name, &Name::gguf);
  if (whole != std::end(of_model)) return std::string(whole->published);
  std::string_view rest = gguf_name;
  if (!rest.starts_with(gguf_layer)) return std::string(gguf_name);
  rest.remove_prefix(gguf_layer.size());
  const std::int64_t layer = take_number(rest);
  const auto* const name = std::ranges::find(of_layer, rest, &Name::gguf);
  if (layer < 0 || name == std::end(of_layer)) return std::string(gguf_name);
  return std::string(published_layer) + std::to_string(layer) + "." + std::string(name->published);
}

std::string gguf_name(std::string_view published, std::int64_t& expert) {
  constexpr std::string_view experts = "mlp.experts.";
  expert = -1;
  const auto* const whole = std::ranges::find(of_model, published, &Name::published);
  if (whole != std::end(of_model)) return std::string(whole->gguf);
  if (!published.starts_with(published_layer)) return {};
  published.remove_prefix(published_layer.size());
  const std::int64_t layer = take_number(published);
  if (layer < 0) return {};
  std::string in_layer(published);
  if (published.starts_with(experts)) {
    published.remove_prefix(experts.size());
    expert = take_number(published);
    in_layer = std::string(experts) + "#." + std::string(published);
  }
  const auto* const name = std::ranges::find(of_layer, in_layer, &Name::published);
  if (name == std::end(of_layer)) return {};
  return std::string(gguf_layer) + std::to_string(layer) + "." + std::string(name->gguf);
}

LocatedTensors gguf_tensors(const std::vector<GgufFile>& files) {
  return Collection(files).tensors;
}

}  // namespace troupe::model
