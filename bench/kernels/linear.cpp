// Matrix products at both ends: one token, where reading the weights is all,
// and many, where arithmetic is. "read_ratio": bytes of weights a second
// over those of a plain memory read with the same threads in this run.
#include <benchmark/benchmark.h>

#include <vector>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/roofline.hpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

namespace troupe::kernels {
namespace {

constexpr std::int64_t cols = 7168, rows = 32 * 1024;  // 224 MiB of FP8: beyond every cache
constexpr std::int64_t targets[] = {HWY_AVX2, HWY_AVX3};

double read_speed() {
  static const double speed = memory_read_speed(usable_cpus());
  return speed;
}

void read_memory(benchmark::State& state) {
  for (auto _ : state) state.SetIterationTime(double(memory_read_bytes) / read_speed());
  state.counters["bytes"] = read_speed();
}
BENCHMARK(read_memory)->Iterations(1)->UseManualTime();

// Arguments: tokens, weight type, instruction set.
void linear(benchmark::State& state) {
  const std::int64_t tokens = state.range(0), target = targets[state.range(2)];
  const auto type = DType(state.range(1));
  hwy::SetSupportedTargetsForTest(0);
  if (!(hwy::SupportedTargets() & target)) return state.SkipWithError("this CPU lacks the instructions");
  hwy::SetSupportedTargetsForTest(target);
  CpuOps ops(usable_cpus());
  ImmediateQueue queue;
  const std::size_t bytes = std::size_t(rows * cols) * size_of(type);
  const auto weights = ops.allocate(bytes), x = ops.allocate(std::size_t(tokens * cols) * 4),
             out = ops.allocate(std::size_t(tokens * rows) * 4);
  std::fill_n(static_cast<std::uint8_t*>(weights.get()), bytes, std::uint8_t{0x31});
  std::fill_n(static_cast<float*>(x.get()), tokens * cols, 0.5f);
  const std::vector<float> scales(std::size_t(rows / 128 * cols / 128), 0.01f);
  const Weight w{.data = weights.get(),
                 .dtype = type,
                 .layout = Layout::panels,
                 .rows = rows,
                 .cols = cols,
                 .scales = type == DType::f8_e4m3 ? scales.data() : nullptr,
                 .scale_stride = cols / 128};
  for (auto _ : state)
    ops.linear(queue, Tensor(x.get(), DType::f32, {tokens, cols}), w,
               Tensor(out.get(), DType::f32, {tokens, rows}));
  const double calls = double(state.iterations());
  state.counters["bytes"] = benchmark::Counter(calls * double(bytes), benchmark::Counter::kIsRate);
  state.counters["read_ratio"] =
      benchmark::Counter(calls * double(bytes) / read_speed(), benchmark::Counter::kIsRate);
  state.counters["flops"] =
      benchmark::Counter(calls * 2 * double(rows * cols * tokens), benchmark::Counter::kIsRate);
  state.SetLabel(hwy::TargetName(target));
  hwy::SetSupportedTargetsForTest(0);
}
BENCHMARK(linear)
    ->ArgNames({"tokens", "type", "target"})
    ->ArgsProduct({{1, 2, 4, 8, 16, 64, 256},
                   {int(DType::f8_e4m3), int(DType::bf16), int(DType::f32)},
                   {0, 1}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace troupe::kernels
