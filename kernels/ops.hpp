// The fused operations that the decoder graphs are made of, and the memory that they work on. Each call with a
// Queue enqueues and returns. Tensors and weights lie in memory of the device, which the host may not reach: it
// brings data there with upload() and stage(), and takes it away with read().
//
// Numerics of f32k128 (all implementations of one arithmetic give the same bytes): a row's result depends on
// that row alone. Activations are F32; an entry of a cache is encoded once (entry_form.hpp) and counts as the F32 that it
// is decoded to. exp is our own polynomial.
// - A product with a weight is one chain. Its columns, in the order that they are stored in, are cut into blocks: a
//   block ends after chain_block columns, with its virtual shard, and where the FP8 scale changes, so that it has one
//   scale. Within a block products are added in order of the columns with fused multiply-add, from zero; the block's sum
//   times its scale (1 for other types) is added to the shard's sum, which begins at zero, with one more; blocks in
//   order. FP8 and NVFP4 weights enter as 2^-8 of their value, as a half holds them, and the block's sum is multiplied by
//   2^8, which is exact but for sums under 2^-118. A looked-up weight is its value times its scale, rounded once.
// - A norm's sum runs in 16 F32 lanes with fused multiply-add (lane = index mod 16, a short tail counts as zeros),
//   then one tree over the lanes: 8 apart, 4, 2, 1.
//
// Shapes: T tokens of the step, H heads of this rank, k experts a token, V virtual shards.
// An Ops object is used by one thread at a time; it may use many threads itself.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/entry_form.hpp"
#include "kernels/queue.hpp"
#include "kernels/tensor.hpp"
#include "runtime/base/file_descriptor.hpp"
#include "runtime/base/sampling.hpp"

namespace troupe::kernels {

// The virtual shards of one sum over `columns` that a rank holds: shards [first, first + count) of total, a
// power of two; shard i covers columns floor(i*columns/total) to floor((i+1)*columns/total). count is a power
// of two, first a multiple of it. Each shard is a chain of its own; shards are added along one binary
// tree: neighbours first, then pairs of pairs. An empty shard is zero.
struct VirtualShards {
  int first = 0;
  int count = 1;
  int total = 1;
  std::int64_t columns = 0;  // of the whole sum, over all ranks

  constexpr std::int64_t begin(int shard) const { return shard * columns / total; }  // global column
};

// The new tokens of one sequence in a step: rows [first_row, first_row + rows) of the step's tensors.
struct SequenceLayout {
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
  std::int64_t first_position = 0;  // of its first row; earlier positions are in the cache already
  std::span<const BlockId> blocks;  // covers positions [0, first_position + rows)
};

struct StepLayout {
  std::int64_t tokens = 0;  // T
  std::vector<SequenceLayout> sequences;
  const void* device = nullptr;  // what Ops::stage made of it; null on a device that reads the host's memory
};

// Numbers that the host brings to a step: its tokens, or rows of a tensor. Refers to memory of somebody else.
class IndexList {
 public:
  IndexList(std::span<const std::int32_t> host) : host_(host) {}
  IndexList(const std::vector<std::int32_t>& host) : host_(host) {}

  std::int64_t size() const { return std::int64_t(host_.size()); }
  std::span<const std::int32_t> host() const { return host_; }
  // [size]: the same, where Ops::stage has put it; null on a device that reads the host's memory.
  const std::int32_t* device() const { return device_; }
  void staged(const std::int32_t* device) { device_ = device; }

  // Entries [first, first + count).
  IndexList part(std::int64_t first, std::int64_t count) const {
    IndexList part = host_.subspan(std::size_t(first), std::size_t(count));
    if (device_ != nullptr) part.device_ = device_ + first;
    return part;
  }

 private:
  std::span<const std::int32_t> host_;
  const std::int32_t* device_ = nullptr;
};

// One layer's cache. An entry, a position's, is of latent attention the normed latent, then the turned key part; of
// attention with keys and values each head's turned key, then its value.
struct LayerCache {
  Tensor data;  // [blocks, block_size, form.words()], f32 or what is as wide
  EntryForm form;
  std::int64_t block_size() const { return data.shape(1); }
};

// cos and sin by position: [positions, rope / 2], f32.
struct RopeTable {
  Tensor cos, sin;
};

// Which elements of a head are turned together: 2i and 2i + 1 (DeepSeek), or i and i + rope / 2 (Llama, Qwen).
enum class RopePairs : std::uint8_t { neighbours, halves };
struct RopeForm {
  RopePairs pairs;
  bool first = false;  // a head's first rope elements are turned, not its last
};

enum class Scoring : std::uint8_t { sigmoid, softmax };

struct RoutingRule {
  Scoring scoring = Scoring::sigmoid;
  int experts = 0;              // of the model
  int groups = 1;               // n_group
  int groups_kept = 1;          // topk_group
  int per_token = 1;            // num_experts_per_tok
  bool normalise = true;        // norm_topk_prob
  float scaling = 1;            // routed_scaling_factor
  const float* bias = nullptr;  // e_score_correction_bias [experts]; null: none
};

// Slots of a token are ordered by selection score, highest first, ties by lower expert id.
struct Routing {
  Tensor experts;  // [T, k] i32
  Tensor weights;  // [T, k] f32
};

// Tokens that wait for experts, each once however many experts it visits, and their visits. Capacities are fixed; how
// much of them is in use is known on the device.
struct ExpertBatch {
  Tensor rows;           // [tokens' capacity, hidden] f32
  Tensor visit_rows;     // [visits' capacity] i32: the row of each visit
  Tensor visit_experts;  // [visits' capacity] i32: the global id of its expert
  Tensor counts;         // [2] i32: rows, visits in use
};

// Of models that are read from a checkpoint up's panels follow gate's in one piece of memory.
struct Expert {
  Weight gate, up;  // [intermediate of this rank, hidden]
  Weight down;      // [hidden, intermediate of this rank]
};

// The experts that a rank computes, each whole (shards.count == shards.total) or the part that its virtual
// shards of the intermediate columns cover.
struct ExpertWeights {
  std::span<const std::int32_t> place_of;  // [experts of the model]: index in experts; -1: not here
  std::span<const Expert> experts;
  VirtualShards shards;
  const void* table = nullptr;  // of Ops::expert_table
};

// One of the products of the same rows.
struct Projection {
  const Weight& w;
  Tensor out;
};

constexpr int max_logprobs = 20;  // of a row

// A token whose logit is not taken as it is.
struct LogitEdit {
  TokenId token = 0;
  float bias = 0;          // minus infinity: it may not come
  bool seen = false;       // in the prompt or the output: the repetition penalty is for it
  std::int32_t count = 0;  // in the output
};

// What happens to a row's logits before a token is drawn; log-probabilities are of the row as it was. Each operation is
// rounded on its own, in this order: x + bias; if seen, x / repetition where x > 0, else x * repetition; if count > 0,
// x - frequency * count, then x - presence; above the largest float, that. What is not allowed is minus infinity.
struct LogitChanges {
  std::span<const std::uint32_t> allowed{};  // token t is bit t % 32 of word t / 32; empty: all are
  std::span<const LogitEdit> edits{};        // a token once; ids outside the vocabulary are passed over
  float repetition_penalty = 1, presence_penalty = 0, frequency_penalty = 0;

  bool none() const { return allowed.empty() && edits.empty(); }
};

struct SamplingRow {
  SamplingParams params;
  std::uint64_t output_position = 0;  // of the token, in its sequence: part of the draw's key
  LogitChanges changes{};             // what it refers to outlives the call
  TokenId given = no_token;           // this is the token, whose log-probability is wanted: none is drawn
};

// Of a device, in bytes.
struct DeviceMemory {
  std::size_t limit = 0;  // all that there is
  std::size_t used = 0;   // of it, by whomever
  bool of_host = false;   // the device is the host, whose ranks share it; used is this process's part alone
};

// Memory of a device that another process can have after the end of this one, if somebody holds its file meanwhile.
struct LastingMemory {
  std::shared_ptr<void> memory;
  std::size_t bytes = 0;
  FileDescriptor file;  // none: the device has no such memory, and it ends with this process
};

class Ops {
 public:
  virtual ~Ops() = default;

  // Names the rounding behaviour; ranks of a replica must agree on it. "f32k128" on CPU.
  virtual std::string_view arithmetic() const = 0;
  // A queue of this device, which outlives it.
  virtual std::unique_ptr<Queue> make_queue() = 0;

  // As of now. Any thread.
  virtual DeviceMemory memory() const = 0;
  // Zeroed memory of the device, aligned to 64 bytes. Throws Error, with what is free, when there is not enough.
  virtual std::shared_ptr<void> allocate(std::size_t bytes) = 0;
  // The same, with a file where the device can.
  virtual LastingMemory allocate_lasting(std::size_t bytes) { return {allocate(bytes), bytes, {}}; }
  // Memory of the host that the device's kernels read there, more slowly; it takes none of the device's. A device that is the
  // host has no other. Throws Error when the host has not enough.
  virtual LastingMemory allocate_on_host(std::size_t bytes) { return allocate_lasting(bytes); }
  // From now on nobody writes there, as far as the device can see to it; false: it cannot, or there is no file. No work
  // uses the memory meanwhile.
  virtual bool seal(const LastingMemory&) { return false; }
  // Memory that was sealed, by its file: to be read alone. Throws Error when the file is none of this device's, has
  // fewer bytes, or could be written to.
  virtual std::shared_ptr<void> adopt(FileDescriptor file, std::size_t bytes);
  // The same of allocate_on_host's.
  virtual std::shared_ptr<void> adopt_on_host(FileDescriptor file, std::size_t bytes) {
    return adopt(std::move(file), bytes);
  }
  // Where the host reaches what lies at this address of such memory, to read and to write; null: nowhere. Any thread.
  virtual std::byte* host_address(void* memory) const = 0;
  // Copies from the host to the device, and returns when that is done. No work in a queue uses the memory meanwhile.
  // Any thread, several at a time.
  virtual void upload(void* to, std::span<const std::byte> from) = 0;
  // Copies x to the host: it is there after Queue::wait. to: as many bytes, which stay in their place until then.
  virtual void read(Queue&, const Tensor& x, std::span<std::byte> to) = 0;
  // Every element of x, f32, becomes this value.
  virtual void fill(Queue&, Tensor x, float value) = 0;
  // Brings all that the host says of a step to the device at once; a step begins with it. The layout, the lists and
  // copies of them may be given to operations in this queue until the next call, while the host's own memory of them
  // lives. A device that reads that memory has nothing to do.
  virtual void stage(Queue&, StepLayout&, std::span<IndexList* const> /*lists*/) {}

  // out[t] = table[tokens[t]]; table: [vocabulary part, hidden]
  // whose first row is token first_token; ids outside give zeros.
  virtual void embed(Queue&, const IndexList& tokens, const Weight& table, TokenId first_token,
                     Tensor out) = 0;
  // out[t] = x[t] / sqrt(mean(x[t]^2) + epsilon) * weight; x: [T, n], or [T, >= n] of which the first n
  // columns count; weight: [n] f32; out: [T, n], may be x.
  virtual void rms_norm(Queue&, const Tensor& x, const Tensor& weight, float epsilon, Tensor out) = 0;
  // out[t] = (x[t] - mean) / sqrt(variance + epsilon) * weight + bias, the mean of x[t] and that of (x[t] - mean)^2 by
  // sums as rms_norm's; x, out: [T, n], may be the same; weight, bias: [n].
  virtual void layer_norm(Queue&, const Tensor& x, const Tensor& weight, const Tensor& bias, float epsilon,
                          Tensor out) = 0;
  // out[t] = W x[t]; x: [T, cols], out: [T, rows]. Weights of products lie in panels.
  virtual void linear(Queue&, const Tensor& x, const Weight& w, Tensor out) = 0;
  // The same for several matrices that need not wait for one another.
  virtual void project(Queue& queue, const Tensor& x, std::span<const Projection> projections) {
    for (const Projection& p : projections) linear(queue, x, p.w, p.out);
  }
  // As linear, as the tree sum of the virtual shards that w's columns cover: a partial sum for all_reduce.
  virtual void linear_sharded(Queue&, const Tensor& x, const Weight& w, const VirtualShards& shards,
                              Tensor out) = 0;
  // One matrix a head: out[t, h] = W_h x[t, h]. x: [T, H, >= cols],
  // of which the first cols count; out: [T, H, >= rows], likewise.
  virtual void head_linear(Queue&, const Tensor& x, std::span<const Weight> heads, Tensor out) = 0;
  // Rotates the last, or first, rope elements of each head of x into those of each head of out, where pairs come out as
  // halves (i, i + rope/2), whatever they are in x.
  // x: [T, H, >= rope]; out: [T, H, >= rope], may be x; what lies outside the rotated part is left alone.
  virtual void rope(Queue&, const Tensor& x, const RopeTable& table, const StepLayout& layout, RopeForm form,
                    Tensor out) = 0;
  // Writes the step's entries into the cache, in its form: of each head what first has of it, then what second has.
  // first: [T, heads, n], second: [T, heads, m].
  virtual void store_entries(Queue&, const Tensor& first, const Tensor& second, const StepLayout& layout,
                             const LayerCache& cache) = 0;
  // Causal attention in the latent space. q: [T, H, latent + rope]; out: [T, H, latent]. Every key is read from the cache.
  // A query's sums run over fixed splits of attention_split positions, as far as it sees them. Scores are chains as
  // above (blocks of chain_block columns), then multiplied by scale; weights exp(score - the split's highest). Weights,
  // and with fused multiply-add weighted latents, are added in order of the positions, from zero. Splits are joined in
  // order: with h the higher of both highest, weight = weight * exp(highest - h) + its * exp(its highest - h), each
  // product rounded; weighted = fma(its, exp(its highest - h), weighted * exp(highest - h)). out = weighted * (1 / weight).
  virtual void mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const StepLayout& layout,
                             float scale, Tensor out) = 0;
  // Of each row the positions that it attends to, by an index of keys (DeepSeek-V3.2-Exp, section 2.1): of those that it
  // sees the k that score highest, ties by lower position. The score of a key is the sum over heads, in order, from zero
  // and with fused multiply-add, of weights[t, h] * max(0, q[t, h] . key), products as in mla_attention.
  // q: [T, H, n]; weights: [T, H]; an entry of keys: [n]; out: [T, k] i32, ascending: a row that sees fewer has those.
  // scores: [rows at once, positions] f32, at least as many as a row sees: room for a device to work in.
  virtual void select_keys(Queue&, const Tensor& q, const Tensor& weights, const LayerCache& keys,
                           const StepLayout& layout, Tensor scores, Tensor out) = 0;
  // mla_attention to the positions that a row has in `selected`, [T, k] i32 as of select_keys, as if there were no others:
  // splits are of attention_split of them. The rows that see no more than k have the bytes of mla_attention.
  virtual void sparse_mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const Tensor& selected,
                                    const StepLayout& layout, float scale, Tensor out) = 0;
  // mla_attention with keys and values in the cache: H / key_heads heads of a query share a key and its value, those that
  // follow one another. q: [T, H, n]; out: [T, H, m]; an entry: [key_heads, n + m].
  virtual void gqa_attention(Queue&, const Tensor& q, const LayerCache& cache, std::int64_t key_heads,
                             const StepLayout& layout, float scale, Tensor out) = 0;
  // gate = silu(gate) * up, both [T, n].
  virtual void silu_mul(Queue&, Tensor gate, const Tensor& up) = 0;
  // x += y, same shape.
  virtual void add(Queue&, Tensor x, const Tensor& y) = 0;
  // x[t] += row, such as a bias. x: [T, n], row: [n].
  virtual void add_row(Queue&, Tensor x, const Tensor& row) = 0;
  // logits: [T, experts] of the router.
  virtual void route(Queue&, const Tensor& logits, const RoutingRule& rule, Routing& out) = 0;
  // load[e] += the slots of routing that chose expert e. load: [experts] i64; stays on the device.
  virtual void count_experts(Queue&, const Routing& routing, Tensor load) = 0;
  // What experts() needs of them in memory of the device, where kernels find an expert by its id; null on a device that
  // reads the host's. Made once the experts have their places, before their weights are read; owned by the caller.
  virtual std::shared_ptr<const void> expert_table(const ExpertWeights&) { return nullptr; }
  // All visits of the T tokens that are out's rows: visit t*k+s is row t's, to the expert in slot s of routing.
  virtual void list_visits(Queue&, const Routing& routing, ExpertBatch& out) = 0;
  // out[v] = down_e(silu(gate_e(x)) * up_e(x)) for each visit v in use, x: its row, e: its expert; visits to experts
  // that are not here give zeros. out: [>= visits, hidden].
  virtual void experts(Queue&, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) = 0;
  // out[t] = sum over slots s, in order, of weights[t, s] * rows[t*k+s]: out = w0*r0, then fma(ws, rs, out).
  // rows: [T*k, hidden].
  virtual void weighted_sum(Queue&, const Tensor& rows, const Routing& routing, Tensor out) = 0;
  // out = x, of any one type and as many elements; not the same memory.
  virtual void copy(Queue&, const Tensor& x, Tensor out) = 0;
  // out[i] = x[rows[i]], of any one type.
  virtual void gather_rows(Queue&, const Tensor& x, const IndexList& rows, Tensor out) = 0;
  // out[t, r*n + i] = parts[r, t, i], dropping columns past
  // out's width. parts: [ranks, T, n]; out: [T, <= ranks*n].
  virtual void join_columns(Queue&, const Tensor& parts, Tensor out) = 0;
  // logits: [S, vocabulary] f32, S == how.size(). how is read at the call; out is there after Queue::wait, and stays
  // in its place until then. no_token where a logit is no number, or where no token may come.
  virtual void sample(Queue&, const Tensor& logits, std::span<const SamplingRow> how,
                      std::vector<SampledToken>& out) = 0;
};

constexpr std::int64_t chain_block = 128;      // columns at most
constexpr std::int64_t attention_split = 128;  // positions

}  // namespace troupe::kernels
