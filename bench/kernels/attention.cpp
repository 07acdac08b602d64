// Attention as one of eight ranks has it: of DeepSeek V3 with 16 heads over a latent, and of Llama 70B with 8 heads that
// share a key and a value.
#include <benchmark/benchmark.h>

#include <numeric>
#include <thread>
#include <vector>

#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {
namespace {

constexpr std::int64_t block_size = 16;

struct Shape {
  std::int64_t heads, width, value;  // of a query, of out
  EntryForm entry;
};

// Arguments: new tokens of one sequence, context before them, the cache's type. attend(ops, queue, q, cache, layout, out).
template <class Attend>
void attention(benchmark::State& state, const Shape& shape, Attend attend) {
  const std::int64_t tokens = state.range(0), context = state.range(1);
  CpuOps ops(int(std::thread::hardware_concurrency()));
  ImmediateQueue queue;
  const std::int64_t blocks = (context + tokens) / block_size + 1;
  const auto cache = ops.allocate(std::size_t(blocks * block_size * shape.entry.bytes())),
             q = ops.allocate(std::size_t(tokens * shape.heads * shape.width) * 4),
             out = ops.allocate(std::size_t(tokens * shape.heads * shape.value) * 4);
  std::vector<BlockId> table(static_cast<std::size_t>(blocks));
  std::iota(table.begin(), table.end(), 0);
  StepLayout layout{.tokens = tokens, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = tokens, .first_position = context, .blocks = table});
  for (auto _ : state)
    attend(
        ops, queue, Tensor(q.get(), DType::f32, {tokens, shape.heads, shape.width}),
        LayerCache{Tensor(cache.get(), DType::f32, {blocks, block_size, shape.entry.words()}), shape.entry},
        layout, Tensor(out.get(), DType::f32, {tokens, shape.heads, shape.value}));
  const double pairs = double(tokens) * double(context + (tokens + 1) / 2) * double(shape.heads);
  state.counters["flops"] =
      benchmark::Counter(double(state.iterations()) * 2 * pairs * double(shape.width + shape.value),
                         benchmark::Counter::kIsRate);
}

void mla_attention(benchmark::State& state) {
  attention(state, {16, 576, 512, latent_entry(CacheType(state.range(2)), 512, 64)},
            [](Ops& ops, Queue& queue, const Tensor& q, const LayerCache& cache, const StepLayout& layout,
               const Tensor& out) { ops.mla_attention(queue, q, cache, layout, 0.1f, out); });
}

void gqa_attention(benchmark::State& state) {
  attention(state, {8, 128, 128, key_value_entry(CacheType(state.range(2)), 1, 128, 128)},
            [](Ops& ops, Queue& queue, const Tensor& q, const LayerCache& cache, const StepLayout& layout,
               const Tensor& out) { ops.gqa_attention(queue, q, cache, 1, layout, 0.1f, out); });
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"tokens", "context", "type"});
  for (const auto& [tokens, context] : {std::pair{1, 512}, {1, 8192}, {256, 0}, {256, 4096}})
    for (const CacheType type : {CacheType::f32, CacheType::bf16, CacheType::fp8})
      bench->Args({tokens, context, int(type)});
  bench->UseRealTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(mla_attention)->Apply(sizes);
BENCHMARK(gqa_attention)->Apply(sizes);

}  // namespace
}  // namespace troupe::kernels
