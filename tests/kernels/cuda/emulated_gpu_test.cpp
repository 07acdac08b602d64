// The emulated GPU catches what breaks a GPU's rules: each rule has a program that keeps it and is right in every
// order, and a mutant that is caught in some.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <optional>

#include "kernels/cuda/cuda_queue.hpp"
#include "runtime/base/error.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"
#include "tests/kernels/cuda/rule_kernels.hpp"

namespace troupe::kernels::cuda {
namespace {

using emulated::Machine;
using testing::HasSubstr;

constexpr std::uint32_t orders = 20;

struct Bench {
  Machine machine;
  std::shared_ptr<Gpu> gpu;
  CudaQueue queue;

  explicit Bench(std::uint32_t seed, std::size_t memory = 1 << 20)
      : machine({.memory = memory, .seed = seed}),
        gpu(std::make_shared<Gpu>(Machine::calls(), Machine::images(), 0)),
        queue(gpu) {}

  std::shared_ptr<void> on_device(const std::vector<float>& values) {
    auto memory = gpu->allocate(values.size() * sizeof(float));
    gpu->upload(memory.get(), values.data(), values.size() * sizeof(float));
    return memory;
  }
  std::vector<float> read(const void* from, std::size_t n) {
    std::vector<float> values(n);
    queue.copy_out(values.data(), from, n * sizeof(float));
    queue.wait(TimePoint::max());
    return values;
  }
};

std::vector<float> numbers(std::size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

float* floats(const std::shared_ptr<void>& memory) {
  return static_cast<float*>(memory.get());
}

std::vector<float> sum_of_all(Bench& bench, Broken broken) {
  const auto x = bench.on_device(numbers(4 * SumOfAll::threads)),
             out = bench.on_device(numbers(SumOfAll::threads));
  bench.queue.launch({}, SumOfAll{floats(x), 4, floats(out), broken});
  return bench.read(out.get(), SumOfAll::threads);
}

std::vector<float> sum_of_warp(Bench& bench, Broken broken) {
  const auto x = bench.on_device(numbers(SumOfWarp::threads)),
             out = bench.on_device(numbers(SumOfWarp::threads));
  bench.queue.launch({}, SumOfWarp{floats(x), floats(out), broken});
  return bench.read(out.get(), SumOfWarp::threads);
}

std::vector<float> advance(Bench& bench, Broken broken) {
  const auto x = bench.on_device(numbers(100));
  const std::int64_t blocks = broken == Broken::memory_bounds ? 200 : 4;
  bench.queue.launch({.x = blocks}, Advance{floats(x), 100, broken});
  return bench.read(x.get(), 100);
}

// What one order of a program ends with.
struct Outcome {
  std::vector<float> values;
  std::string failure;  // what the device says, empty: nothing
};

Outcome run(std::uint32_t seed, const std::function<std::vector<float>(Bench&)>& program) {
  Bench bench(seed);
  try {
    return {program(bench), {}};
  } catch (const Error& failed) {
    return {{}, std::string(failed.what()) + "; " + bench.machine.fault(0)};
  }
}

// Right in all orders.
void expect_right(const std::function<std::vector<float>(Bench&)>& program,
                  const std::vector<float>& expected) {
  for (std::uint32_t seed = 1; seed <= orders; ++seed) {
    const Outcome outcome = run(seed, program);
    EXPECT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.values, expected) << "order " << seed;
  }
}

// How many of the orders are caught, by a wrong result or by a failure that says this.
int caught(const std::function<std::vector<float>(Bench&)>& mutant, const std::vector<float>& expected,
           const std::string& says = {}) {
  int count = 0;
  for (std::uint32_t seed = 1; seed <= orders; ++seed) {
    const Outcome outcome = run(seed, mutant);
    if (!outcome.failure.empty()) {
      EXPECT_THAT(outcome.failure, HasSubstr(says));
    }
    count += says.empty() ? outcome.failure.empty() && outcome.values != expected : !outcome.failure.empty();
  }
  return count;
}

const std::vector<float> sum_expected(SumOfAll::threads, 256 * 257 / 2);

TEST(EmulatedGpu, BarriersKeepThreadsTogether) {
  expect_right([](Bench& bench) { return sum_of_all(bench, Broken::nothing); }, sum_expected);
}

TEST(EmulatedGpu, AMissingBarrierIsCaught) {
  for (const Broken broken : {Broken::first_barrier, Broken::second_barrier})
    EXPECT_GT(caught([=](Bench& bench) { return sum_of_all(bench, broken); }, sum_expected), orders / 2)
        << int(broken);
}

TEST(EmulatedGpu, ABarrierThatSomeThreadsReachIsCaught) {
  EXPECT_EQ(caught([](Bench& bench) { return sum_of_all(bench, Broken::some_arrive); }, sum_expected,
                   "threads wait for others that do not come"),
            int(orders));
}

TEST(EmulatedGpu, AnElementBehindSharedMemoryIsCaught) {
  EXPECT_EQ(caught([](Bench& bench) { return sum_of_all(bench, Broken::shared_bounds); }, sum_expected,
                   "sum_of_all, block 0,0,0, thread 63: beyond a shared array: element 64"),
            int(orders));
}

TEST(EmulatedGpu, LanesOfAWarpExchange) {
  std::vector<float> expected(SumOfWarp::threads, 32 * 33 / 2);
  std::fill(expected.begin() + 32, expected.end(), 32 * 33 / 2 + 32 * 32);
  expect_right([](Bench& bench) { return sum_of_warp(bench, Broken::nothing); }, expected);
  EXPECT_EQ(caught([](Bench& bench) { return sum_of_warp(bench, Broken::lost_lane); }, expected,
                   "31 threads wait for others that do not come"),
            int(orders));
}

std::vector<float> advanced(std::vector<float> values, int times) {
  for (; times > 0; --times)
    for (float& value : values) value = 2 * value + 1;
  return values;
}

TEST(EmulatedGpu, AnAddressBehindAnAllocationIsCaught) {
  const auto expected = advanced(numbers(100), 1);
  expect_right([](Bench& bench) { return advance(bench, Broken::nothing); }, expected);
  EXPECT_EQ(caught([](Bench& bench) { return advance(bench, Broken::memory_bounds); }, expected,
                   "CUDA_ERROR_ILLEGAL_ADDRESS"),
            int(orders));
  EXPECT_EQ(caught([](Bench& bench) { return advance(bench, Broken::padding); }, expected,
                   "something was written behind an allocation"),
            int(orders));
}

TEST(EmulatedGpu, MemoryThatWasGivenBackIsCaught) {
  EXPECT_EQ(caught(
                [](Bench& bench) {
                  auto x = bench.on_device(numbers(100));
                  float* const stale = floats(x);
                  x.reset();
                  bench.queue.launch({.x = 4}, Advance{stale, 100, Broken::nothing});
                  bench.queue.wait(TimePoint::max());
                  return numbers(100);
                },
                {}, "advance, block"),
            int(orders));
}

TEST(EmulatedGpuDeathTest, TheHostCannotFollowAPointerOfTheDevice) {
  Bench bench(1);
  const auto x = bench.on_device(numbers(4));
  EXPECT_DEATH(floats(x)[0] = 1, "");
}

// A device that has failed answers nothing any more, and the queue says what was enqueued.
TEST(EmulatedGpu, AFaultStays) {
  Bench bench(1);
  EXPECT_THROW(advance(bench, Broken::memory_bounds), Error);
  try {
    bench.queue.wait(TimePoint::max());
    FAIL() << "the device went on";
  } catch (const Error& failed) {
    EXPECT_THAT(failed.what(), HasSubstr("CUDA_ERROR_ILLEGAL_ADDRESS"));
    EXPECT_THAT(failed.what(), HasSubstr("advance"));
  }
  EXPECT_THROW(bench.gpu->allocate(4), Error);
}

// Two streams and what orders them: the second advances what the first advances.
std::vector<float> in_two_streams(Bench& bench, bool ordered) {
  const auto x = bench.on_device(numbers(100));
  CudaQueue other(bench.gpu);
  bench.queue.launch({.x = 4}, Advance{floats(x), 100, Broken::nothing});
  if (ordered) bench.queue.wait(TimePoint::max());
  std::vector<float> values(100);
  other.copy_out(values.data(), x.get(), 400);
  other.wait(TimePoint::max());
  bench.queue.wait(TimePoint::max());
  return values;
}

TEST(EmulatedGpu, StreamsThatNothingOrdersAreCaught) {
  const auto expected = advanced(numbers(100), 1);
  expect_right([](Bench& bench) { return in_two_streams(bench, true); }, expected);
  const int wrong = caught([](Bench& bench) { return in_two_streams(bench, false); }, expected);
  EXPECT_GT(wrong, 2);
  EXPECT_LT(wrong, int(orders));  // either may come first
}

// The host's memory is read when the copy runs, not when it is enqueued.
TEST(EmulatedGpu, WhatIsOverwrittenBeforeItsCopyIsCaught) {
  const auto copied = [](Bench& bench, bool waits) {
    const auto x = bench.on_device(numbers(100));
    std::vector<float> source(100, 5.0f);
    bench.queue.copy_in(x.get(), source.data(), 400);
    if (waits) bench.queue.wait(TimePoint::max());
    source.assign(100, 6.0f);
    bench.queue.wait(TimePoint::max());
    return bench.read(x.get(), 100);
  };
  const std::vector<float> expected(100, 5.0f);
  expect_right([&](Bench& bench) { return copied(bench, true); }, expected);
  EXPECT_EQ(caught([&](Bench& bench) { return copied(bench, false); }, expected), int(orders));
}

TEST(Gpu, SaysWhatMemoryItHasWhenThereIsNotEnough) {
  Bench bench(1, 1000);
  const auto most = bench.gpu->allocate(900);
  try {
    bench.gpu->allocate(200);
    FAIL() << "there are 100 bytes";
  } catch (const Error& refused) {
    EXPECT_THAT(refused.what(), HasSubstr("cannot allocate 200 bytes: 100 of 1000 are free"));
    EXPECT_THAT(refused.what(), HasSubstr("--gpu-memory-utilization"));
  }
}

TEST(Gpu, AnOrdinalThatIsNotThereIsRefused) {
  const Machine machine({.devices = 2});
  EXPECT_NO_THROW(Gpu(Machine::calls(), Machine::images(), 1));
  EXPECT_THROW(Gpu(Machine::calls(), Machine::images(), 2), Error);
  EXPECT_THROW(Gpu(Machine::calls(), {}, 0), Error);
}

TEST(CudaQueue, TheDeadlinePasses) {
  Bench bench(1);
  const auto x = bench.on_device(numbers(100));
  for (int i = 0; i < 500; ++i) bench.queue.launch({.x = 4}, Advance{floats(x), 100, Broken::nothing});
  try {
    bench.queue.wait(TimePoint::min());
    FAIL() << "500 kernels were done at once";
  } catch (const Error& late) {
    EXPECT_THAT(late.what(), HasSubstr("did not finish in time"));
    EXPECT_THAT(late.what(), HasSubstr("advance"));
  }
  bench.queue.wait(TimePoint::max());
}

}  // namespace
}  // namespace troupe::kernels::cuda
