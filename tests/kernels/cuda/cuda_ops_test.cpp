// What is a GPU's alone: what the host brings on its way, what only the device sees of its input, and what a queue
// says of a failure. That bytes are the CPU's, the tests of each operation show.
#include "kernels/cuda/cuda_ops.hpp"

#include <gmock/gmock.h>

#include <thread>

#include "kernels/device.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels::cuda {
namespace {

using testing::HasSubstr;

class CudaOpsTest : public testing::Test {
 protected:
  template <class T>
  Tensor on_device(const Array<T>& x, std::initializer_list<std::int64_t> shape) {
    const Tensor there(keep(ops_.allocate(x.tensor.bytes())), dtype_of<T>(), shape);
    ops_.upload(there.raw(), {static_cast<const std::byte*>(x.tensor.raw()), x.tensor.bytes()});
    return there;
  }
  Tensor zeroes(std::initializer_list<std::int64_t> shape, DType type = DType::f32) {
    const Tensor shaped(nullptr, type, shape);
    return shaped.at(keep(ops_.allocate(shaped.bytes())));
  }
  template <class T>
  std::vector<T> read(const Tensor& x) {
    std::vector<T> values(std::size_t(x.elements()));
    ops_.read(*queue_, x, std::as_writable_bytes(std::span(values)));
    queue_->wait(TimePoint::max());
    return values;
  }
  std::string failure() {
    try {
      queue_->wait(TimePoint::max());
      return "none";
    } catch (const Error& failed) {
      return failed.what();
    }
  }
  void* keep(std::shared_ptr<void> memory) { return memory_.emplace_back(std::move(memory)).get(); }

  GpuUnderTest device_{{.seed = ops_under_test.seed}};
  CudaOps ops_{device_.gpu()};
  std::vector<std::shared_ptr<void>> memory_;
  std::unique_ptr<Queue> queue_ = ops_.make_queue();
};

TEST_F(CudaOpsTest, MemoryIsZeroAndKeepsWhatIsUploaded) {
  const Tensor zero = zeroes({3, 5});
  EXPECT_EQ(read<float>(zero), std::vector<float>(15, 0.0f));
  EXPECT_EQ(ops_.host_address(zero.raw()), nullptr);
  const auto x = random_array({300, 7}, 1);
  const Tensor there = on_device(x, {300, 7});
  EXPECT_EQ(read<float>(there), std::vector<float>(x.data.begin(), x.data.begin() + 2100));
  ops_.fill(*queue_, there.slice(1, 299), -3);
  ops_.copy(*queue_, there.slice(0, 2), zeroes({2, 7}));
  EXPECT_EQ(read<float>(there)[7], -3);
}

// The host goes on at once: many steps are enqueued before the first has run, and each brings lists of its own.
TEST_F(CudaOpsTest, EveryStepHasTheListsThatWereStagedForIt) {
  const auto table = random_array({20, 3}, 2);
  const Weight weight{.data = on_device(table, {20, 3}).raw(), .dtype = DType::f32, .rows = 20, .cols = 3};
  std::vector<Tensor> outs;
  for (TokenId step = 0; step < 20; ++step) {
    const std::vector<TokenId> tokens{step, TokenId(19 - step)};
    IndexList list = tokens;
    IndexList* const lists[] = {&list};
    StepLayout layout;
    ops_.stage(*queue_, layout, lists);
    ops_.embed(*queue_, list, weight, 0, outs.emplace_back(zeroes({2, 3})));
  }
  for (std::int64_t step = 0; step < 20; ++step) {
    const std::vector<float> out = read<float>(outs[std::size_t(step)]);
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_EQ(out[std::size_t(i)], table[step * 3 + i]);
      EXPECT_EQ(out[std::size_t(3 + i)], table[(19 - step) * 3 + i]);
    }
  }
}

TEST_F(CudaOpsTest, AStackOfHeadsIsOneProduct) {
  constexpr std::int64_t heads = 3, rows = 32, cols = 64, tokens = 5;
  for (const DType type : {DType::bf16, DType::f8_e4m3, DType::q8_0}) {
    const Matrix all(type, heads * rows, cols, 7, 16, 32);
    std::vector<Weight> stack(heads, all.view());
    const auto bytes = std::int64_t(Panels{type, cols}.size(rows));
    const std::size_t all_bytes = std::size_t(heads * bytes);
    std::byte* const data = static_cast<std::byte*>(keep(ops_.allocate(all_bytes)));
    ops_.upload(data, {static_cast<const std::byte*>(all.view().data), all_bytes});
    float* scales = nullptr;
    if (all.view().scales != nullptr) {
      const std::size_t n = std::size_t(heads * rows / 16 * all.view().scale_stride);
      scales = static_cast<float*>(keep(ops_.allocate(n * sizeof(float))));
      ops_.upload(scales, {reinterpret_cast<const std::byte*>(all.view().scales), n * sizeof(float)});
    }
    for (std::int64_t h = 0; h < heads; ++h) {
      Weight& head = stack[std::size_t(h)];
      head.data = data + h * bytes;
      head.scales = scales;
      head.rows = rows;
      head.row0 = h * rows;
    }
    const auto x = random_array({tokens, heads, cols}, 8);
    const Tensor out = zeroes({tokens, heads, rows});
    ops_.head_linear(*queue_, on_device(x, {tokens, heads, cols}), stack, out);
    const std::vector<float> values = read<float>(out);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t row = 0; row < rows; ++row)
          ASSERT_EQ(values[std::size_t((t * heads + h) * rows + row)],
                    chain(all, h * rows + row, 0, cols, &x[(t * heads + h) * cols]));
  }
}

// Numbers that the host has not seen are checked where they are seen.
TEST_F(CudaOpsTest, WhatNoModelHasFailsTheDevice) {
  Array<std::int32_t> experts({1, 2});
  experts[1] = 5;
  ops_.count_experts(*queue_, {on_device(experts, {1, 2}), {}}, zeroes({5}, DType::i64));
  EXPECT_THAT(failure(), HasSubstr("count_experts"));
  EXPECT_THAT(device_.fault().value_or("expert >= 0 && expert < k.load_experts"),
              HasSubstr("expert >= 0 && expert < k.load_experts"));
}

TEST_F(CudaOpsTest, ASelectedPositionThatTheRowDoesNotSeeFailsTheDevice) {
  Array<std::int32_t> selected({1, 1});
  selected[0] = 1;
  const std::vector<BlockId> blocks{0};
  StepLayout layout{.tokens = 1, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = 1, .first_position = 0, .blocks = blocks});
  ops_.stage(*queue_, layout, {});
  ops_.sparse_mla_attention(*queue_, zeroes({1, 2, 4}), {zeroes({1, 4, 4}), key_entry(CacheType::f32, 4)},
                            on_device(selected, {1, 1}), layout, 1, zeroes({1, 2, 3}));
  EXPECT_THAT(failure(), HasSubstr("attention"));
  EXPECT_THAT(device_.fault().value_or("position >= 0 && position < sees"),
              HasSubstr("position >= 0 && position < sees"));
}

TEST_F(CudaOpsTest, ARowThatIsNotThereFailsTheDevice) {
  std::vector<std::int32_t> rows{0, 4};
  IndexList list = rows;
  IndexList* const lists[] = {&list};
  StepLayout layout;
  ops_.stage(*queue_, layout, lists);
  ops_.gather_rows(*queue_, zeroes({4, 3}), list, zeroes({2, 3}));
  EXPECT_THAT(failure(), HasSubstr("gather_rows"));
}

// Which of many kernels failed is known as far as the marks between them say.
TEST_F(CudaOpsTest, AFailureNamesTheKernelsBehindTheLastMarkThatWasReached) {
  std::atomic<std::uint64_t> layer{0};
  const Tensor x = zeroes({1, 4}), y = zeroes({1, 4}), norm = zeroes({4});
  std::vector<std::int32_t> rows{4};
  IndexList list = rows;
  IndexList* const lists[] = {&list};
  StepLayout layout;
  ops_.stage(*queue_, layout, lists);
  ops_.silu_mul(*queue_, x, y);
  queue_->set(layer, 1);
  ops_.add(*queue_, x, y);
  ops_.add(*queue_, x, y);
  ops_.gather_rows(*queue_, x, list, y);
  queue_->set(layer, 2);
  ops_.rms_norm(*queue_, x, norm, 1e-6f, y);
  try {
    queue_->wait(TimePoint::max());
    FAIL();
  } catch (const DeviceError& failed) {
    EXPECT_EQ(failed.fault.kind, DeviceFaultKind::launch_failed);
    EXPECT_EQ(failed.fault.kernels, "add, gather_rows");
    EXPECT_THAT(failed.what(), HasSubstr("CUDA_ERROR_LAUNCH_FAILED"));
  }
  EXPECT_EQ(layer, 1u);
}

TEST_F(CudaOpsTest, WhatIsDoneIsNotNamed) {
  const Tensor x = zeroes({1, 4});
  ops_.silu_mul(*queue_, x, x);
  queue_->wait(TimePoint::max());
  ops_.add(*queue_, x, x);
  try {
    queue_->wait(TimePoint::min());
    queue_->wait(TimePoint::max());
  } catch (const DeviceError& late) {
    EXPECT_EQ(late.fault.kind, DeviceFaultKind::hang);
    EXPECT_EQ(late.fault.kernels, "add");
  }
}

// So that a hang is told with the kernels that hang: as soon as they are enqueued, since the host may hang behind them.
TEST_F(CudaOpsTest, TheTicksSayWhatTheDeviceIsAt) {
  TickBoard ticks;
  CudaOps ops(ops_.gpu(), &ticks);
  const auto queue = ops.make_queue();
  const auto at = [&] { return ticks.read().device.kernels; };
  const Tensor x = zeroes({1, 4}), y = zeroes({1, 4});
  ops.silu_mul(*queue, x, y);
  ops.add(*queue, x, y);
  queue->set(ticks.place, ticks.at_layer(0));
  EXPECT_EQ(at(), "silu_mul, add");
  EXPECT_EQ(ticks.read().device.kind, DeviceFaultKind::none);
  ops.rms_norm(*queue, x, y, 1e-6f, x);
  queue->set(ticks.place, ticks.at_layer(1));
  EXPECT_EQ(at(), "silu_mul, add") << "nobody has asked the device for more";
  queue->wait(TimePoint::max());
  EXPECT_EQ(at(), "");
  ops.add(*queue, x, y);
  queue->set(ticks.place, ticks.at_layer(0));
  EXPECT_EQ(at(), "add");
  queue->wait(TimePoint::max());
  {
    const auto abandoned = ops.make_queue();
    ops.add(*abandoned, x, y);
    abandoned->set(ticks.place, ticks.at_layer(1));
    EXPECT_EQ(at(), "add");
  }
  EXPECT_EQ(at(), "");
}

TEST_F(CudaOpsTest, ADrillBreaksTheDeviceForGood) {
  TickBoard ticks;
  CudaOps ops(ops_.gpu(), &ticks);
  try {
    break_device(ops, &ticks);
  } catch (const DeviceError& failed) {
    EXPECT_EQ(failed.fault.kind, DeviceFaultKind::launch_failed);
    EXPECT_EQ(failed.fault.kernels, "gather_rows");
  }
  EXPECT_EQ(ticks.read().layer, 0);
  EXPECT_THROW(ops_.fill(*queue_, Tensor(memory_.emplace_back().get(), DType::f32, {1}), 1), DeviceError);
}

TEST_F(CudaOpsTest, SamplesAreThereAfterWait) {
  const auto logits = random_array({2, 33}, 3);
  const std::vector<SamplingRow> how(2, {.params = {.temperature = 0, .logprobs = 1}});
  std::vector<SampledToken> sampled, expected;
  ops_.sample(*queue_, on_device(logits, {2, 33}), how, sampled);
  ASSERT_EQ(sampled.size(), 2u);
  EXPECT_TRUE(sampled[0].top.empty());
  queue_->wait(TimePoint::max());
  ImmediateQueue immediate;
  CpuOps(1).sample(immediate, logits.tensor, how, expected);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(sampled[i].token, expected[i].token);
    EXPECT_EQ(sampled[i].top, expected[i].top);
  }
}

// What the host reads is there after the wait, which alone writes it: nothing waits within the driver.
TEST_F(CudaOpsTest, AReadReturnsAtOnce) {
  const auto x = random_array({3, 7}, 4);
  const Tensor there = on_device(x, {3, 7});
  std::vector<float> all(21), row(7);
  ops_.read(*queue_, there, std::as_writable_bytes(std::span(all)));
  ops_.read(*queue_, there.slice(1, 1), std::as_writable_bytes(std::span(row)));
  while (!CudaQueue::of(*queue_).done()) std::this_thread::yield();
  EXPECT_EQ(all, std::vector<float>(21));
  queue_->wait(TimePoint::max());
  EXPECT_EQ(all, std::vector<float>(x.data.begin(), x.data.begin() + 21));
  EXPECT_EQ(row, std::vector<float>(x.data.begin() + 7, x.data.begin() + 14));
}

TEST_F(CudaOpsTest, AWorkspaceThatThereIsNoRoomForIsAnErrorAndTheNextOneIsThere) {
  CudaQueue& queue = CudaQueue::of(*queue_);
  EXPECT_THROW(queue.workspace(ops_.memory().limit + 1), Error);
  void* const small = queue.workspace(100);
  ASSERT_NE(small, nullptr);
  EXPECT_EQ(queue.workspace(std::size_t{1} << 20), small) << "it is made in large pieces";
}

TEST_F(CudaOpsTest, TellsWhatItsMemoryHolds) {
  const DeviceMemory before = ops_.memory();
  EXPECT_FALSE(before.of_host);
  zeroes({1 << 20});
  EXPECT_GE(ops_.memory().used, before.used + (std::size_t{4} << 20));
  EXPECT_EQ(ops_.memory().limit, before.limit);
}

// Marks are written when the work before them is done, and not when they are enqueued.
TEST_F(CudaOpsTest, MarksHowFarItHasCome) {
  std::atomic<std::uint64_t> place{0};
  const Tensor x = zeroes({4});
  ops_.fill(*queue_, x, 1);
  queue_->set(place, 7);
  ops_.fill(*queue_, x, 2);
  EXPECT_EQ(place, 0u);
  queue_->wait(TimePoint::max());
  EXPECT_EQ(place, 7u);
}

TEST_F(CudaOpsTest, AWaitEndsWithWhatItsWatchFinds) {
  ops_.fill(*queue_, zeroes({4}), 1);
  queue_->watch([] { throw Error("rank 1 is gone", "a peer"); });
  EXPECT_THAT(failure(), HasSubstr("rank 1 is gone"));
  queue_->watch({});
}

using CudaOpsDeathTest = CudaOpsTest;

TEST_F(CudaOpsDeathTest, WhatWasNotStagedStops) {
  const std::vector<TokenId> tokens{0};
  const Weight table{.data = zeroes({2, 3}).raw(), .dtype = DType::f32, .rows = 2, .cols = 3};
  EXPECT_DEATH(ops_.embed(*queue_, tokens, table, 0, zeroes({1, 3})), "a list that was not staged");
}

TEST_F(CudaOpsDeathTest, AQueueOfAnotherDeviceStops) {
  ImmediateQueue immediate;
  EXPECT_DEATH(ops_.add(immediate, zeroes({1, 3}), zeroes({1, 3})), "a queue of another device");
}

}  // namespace
}  // namespace troupe::kernels::cuda
