// MLA attention of DeepSeek V3's shape with 16 heads, as one of eight ranks has it.
#include <benchmark/benchmark.h>

#include <numeric>
#include <thread>
#include <vector>

#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {
namespace {

constexpr std::int64_t heads = 16, latent = 512, width = 576, block_size = 16;

// Arguments: new tokens of one sequence, context before them.
void mla_attention(benchmark::State& state) {
  const std::int64_t tokens = state.range(0), context = state.range(1);
  CpuOps ops(int(std::thread::hardware_concurrency()));
  ImmediateQueue queue;
  const std::int64_t blocks = (context + tokens) / block_size + 1;
  const auto cache = ops.allocate(std::size_t(blocks * block_size * width) * 4),
             q = ops.allocate(std::size_t(tokens * heads * width) * 4),
             out = ops.allocate(std::size_t(tokens * heads * latent) * 4);
  std::vector<BlockId> table(static_cast<std::size_t>(blocks));
  std::iota(table.begin(), table.end(), 0);
  StepLayout layout{.tokens = tokens, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = tokens, .first_position = context, .blocks = table});
  for (auto _ : state)
    ops.mla_attention(queue, Tensor(q.get(), DType::f32, {tokens, heads, width}),
                      {Tensor(cache.get(), DType::f32, {blocks, block_size, width})}, layout, 0.1f,
                      Tensor(out.get(), DType::f32, {tokens, heads, latent}));
  const double pairs = double(tokens) * double(context + (tokens + 1) / 2) * heads;
  state.counters["flops"] = benchmark::Counter(double(state.iterations()) * 2 * pairs * (width + latent),
                                               benchmark::Counter::kIsRate);
}
BENCHMARK(mla_attention)
    ->ArgNames({"tokens", "context"})
    ->Args({1, 512})
    ->Args({1, 8192})
    ->Args({256, 0})
    ->Args({256, 4096})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace troupe::kernels
