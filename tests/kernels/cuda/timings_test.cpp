// How far kernels are from what a copy in the device's memory does. For a real GPU, and for who reads what it prints.
#include <gtest/gtest.h>

#include <functional>

#include "kernels/cuda/cuda_ops.hpp"
#include "kernels/panels.hpp"
#include "tests/kernels/cuda/gpu_under_test.hpp"

namespace troupe::kernels::cuda {
namespace {

class GpuTimings : public testing::Test {
 protected:
  void SetUp() override {
    if (!tests_run_on_a_real_gpu()) GTEST_SKIP() << "an emulated GPU's times say nothing";
    ops_.emplace(device_.gpu());
    queue_ = ops_->make_queue();
  }
  Tensor zeroes(std::initializer_list<std::int64_t> shape, DType type = DType::f32) {
    const Tensor shaped(nullptr, type, shape);
    return shaped.at(memory_.emplace_back(ops_->allocate(shaped.bytes())).get());
  }
  // Bytes that a call moves, a second, of the best of several.
  double rate(std::size_t bytes, const std::function<void()>& call) {
    Duration best = Duration::max();
    for (int i = 0; i < 20; ++i) {
      const TimePoint start = now();
      call();
      queue_->wait(TimePoint::max());
      best = std::min(best, now() - start);
    }
    return double(bytes) / std::chrono::duration<double>(best).count();
  }
  double copy_rate() {
    constexpr std::int64_t floats = 64 << 20;
    const Tensor from = zeroes({floats}), to = zeroes({floats});
    return rate(2 * from.bytes(), [&] { ops_->copy(*queue_, from, to); });
  }

  GpuUnderTest device_;
  std::optional<CudaOps> ops_;
  std::unique_ptr<Queue> queue_;
  std::vector<std::shared_ptr<void>> memory_;
};

// A line each: what, GB/s, percent of a copy.
TEST_F(GpuTimings, AgainstACopy) {
  const double copy = copy_rate();
  const auto tell = [&](const std::string& what, double rate) {
    std::printf("timing: %-32s %8.1f GB/s %5.1f %% of a copy\n", what.c_str(), rate / 1e9, 100 * rate / copy);
  };
  tell("copy", copy);
  EXPECT_GT(copy, 0);
  constexpr std::int64_t rows = 4096, cols = 7168;
  const auto bytes = Panels{DType::bf16, cols}.size(rows);
  const Weight w{.data = memory_.emplace_back(ops_->allocate(bytes)).get(),
                 .dtype = DType::bf16,
                 .layout = Layout::panels,
                 .rows = rows,
                 .cols = cols};
  for (const std::int64_t tokens : {1, 16, 128}) {
    const Tensor x = zeroes({tokens, cols}), out = zeroes({tokens, rows});
    tell("linear 4096x7168 bf16, " + std::to_string(tokens) + " tokens",
         rate(bytes, [&] { ops_->linear(*queue_, x, w, out); }));
  }
  const Tensor x = zeroes({4096, cols}), norm = zeroes({cols});
  tell("rms_norm 4096x7168", rate(2 * x.bytes(), [&] { ops_->rms_norm(*queue_, x, norm, 1e-6f, x); }));
}

}  // namespace
}  // namespace troupe::kernels::cuda
