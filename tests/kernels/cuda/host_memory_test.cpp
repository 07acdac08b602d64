// Memory of the host that a GPU reads there, and that a process leaves to the next one.
#include "kernels/cuda/host_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <optional>

#include "kernels/cuda/cuda_ops.hpp"
#include "runtime/base/memory_file.hpp"
#include "runtime/base/ticks.hpp"
#include "tests/error_of.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"
#include "tests/kernels/cuda/rule_kernels.hpp"

namespace troupe::kernels::cuda {
namespace {

using emulated::Machine;
using testing::HasSubstr;

constexpr std::size_t some = 1000, some_bytes = some * sizeof(float);

// A life of a process, whose GPU has too little memory for what it computes with.
struct SmallGpu {
  SmallGpu()
      : machine({.memory = some_bytes / 2}),
        gpu(std::make_shared<Gpu>(Machine::calls(), Machine::images(), 0)),
        ops(gpu),
        queue(gpu) {}
  std::vector<float> read(const void* from) {
    std::vector<float> values(some, 0.0f);
    queue.copy_out(values.data(), from, some_bytes);
    queue.wait(TimePoint::max());
    return values;
  }
  void advance(const std::shared_ptr<void>& memory) {
    queue.launch(blocks_of<Advance>(some), Advance{static_cast<float*>(memory.get()), some, Broken::nothing});
    queue.wait(TimePoint::max());
  }

  Machine machine;
  std::shared_ptr<Gpu> gpu;
  CudaOps ops;
  CudaQueue queue;
};

std::vector<float> counting_up() {
  std::vector<float> values(some, 0.0f);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

LastingMemory filled_on_host(SmallGpu& device) {
  LastingMemory memory = device.ops.allocate_on_host(some_bytes);
  const std::vector<float> values = counting_up();
  device.ops.upload(memory.memory.get(), std::as_bytes(std::span(values)));
  EXPECT_TRUE(device.ops.seal(memory));
  return memory;
}

TEST(HostMemory, IsZeroedAndTakesNoneOfTheDevice) {
  SmallGpu device;
  const LastingMemory memory = device.ops.allocate_on_host(some_bytes);
  EXPECT_EQ(device.read(memory.memory.get()), std::vector<float>(some, 0.0f));
  EXPECT_EQ(device.gpu->memory().used, 0u);
  EXPECT_THROW(device.ops.allocate(some_bytes), Error) << "it would not fit";
}

TEST(HostMemory, IsWrittenByTheHostAndReadByKernels) {
  SmallGpu device;
  const LastingMemory memory = device.ops.allocate_on_host(some_bytes);
  std::byte* const host = device.ops.host_address(memory.memory.get());
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(device.ops.host_address(static_cast<std::byte*>(memory.memory.get()) + 40), host + 40);
  std::memcpy(host, counting_up().data(), some_bytes);
  device.advance(memory.memory);
  std::vector<float> expected = counting_up();
  for (float& value : expected) value = 2 * value + 1;
  EXPECT_EQ(device.read(memory.memory.get()), expected);
}

TEST(HostMemory, EndsWithItsOwner) {
  SmallGpu device;
  LastingMemory memory = device.ops.allocate_on_host(some_bytes);
  void* const at = memory.memory.get();
  memory = {};
  EXPECT_EQ(device.ops.host_address(at), nullptr);
  device.queue.launch({}, Advance{static_cast<float*>(at), some, Broken::nothing});
  EXPECT_THAT(error_of([&] { device.queue.wait(TimePoint::max()); }), HasSubstr("ILLEGAL_ADDRESS"));
}

TEST(HostMemory, OutlivesItsProcessAndIsReadAlone) {
  std::optional<SmallGpu> device(std::in_place);
  FileDescriptor file = std::move(filled_on_host(*device).file);
  device.reset();
  device.emplace();
  const auto adopted = device->ops.adopt_on_host(std::move(file), some_bytes);
  EXPECT_EQ(device->read(adopted.get()), counting_up());
  EXPECT_EQ(device->gpu->memory().used, 0u);
  EXPECT_THAT(error_of([&] { device->advance(adopted); }), HasSubstr("ILLEGAL_ADDRESS"));
}

TEST(HostMemory, WhatIsSealedCannotBeMappedToWrite) {
  SmallGpu device;
  const LastingMemory memory = filled_on_host(device);
  EXPECT_THAT(error_of([&] { map_shared(memory.file, some_bytes); }), HasSubstr("mmap"));
}

TEST(HostMemory, AFileOfSomethingElseIsNotAdopted) {
  SmallGpu device;
  const auto adopting = [&](FileDescriptor file, std::size_t bytes) {
    return error_of([&] { device.ops.adopt_on_host(std::move(file), bytes); });
  };
  EXPECT_THAT(adopting(troupe::memory_file("other", "bytes"), some_bytes),
              HasSubstr("smaller than what it is to hold"));
  EXPECT_THAT(adopting(shared_memory_file("other", 1 << 20), some_bytes),
              HasSubstr("could still be written to"));
  EXPECT_THAT(adopting(FileDescriptor(), some_bytes), HasSubstr("smaller than what it is to hold"));
  EXPECT_THAT(adopting(std::move(filled_on_host(device).file), 2 * some_bytes),
              HasSubstr("smaller than what it is to hold"));
}

TEST(HostMemory, AGpuThatOnlyTakesWhatItMayWriteToSaysSo) {
  SmallGpu device;
  LastingMemory memory = filled_on_host(device);
  DeviceCalls calls = Machine::calls();
  calls.device_attribute = [](int* value, int attribute, DeviceId id) {
    const Result result = Machine::calls().device_attribute(value, attribute, id);
    if (attribute == reads_host_memory_alone) *value = 0;
    return result;
  };
  const auto gpu = std::make_shared<Gpu>(calls, Machine::images(), 0);
  EXPECT_THAT(error_of([&] { adopt_on_host(gpu, memory.file, some_bytes, nullptr); }),
              HasSubstr("takes no memory of the host that it may only read"));
}

TEST(HostMemory, TooMuchIsAnError) {
  SmallGpu device;
  EXPECT_THAT(error_of([&] { device.ops.allocate_on_host(std::size_t{1} << 60); }), HasSubstr("are free"));
  DeviceCalls calls = Machine::calls();
  calls.register_host = [](void*, std::size_t, unsigned) { return out_of_memory; };
  const auto gpu = std::make_shared<Gpu>(calls, Machine::images(), 0);
  EXPECT_THAT(error_of([&] { take_on_host(gpu, some_bytes, nullptr); }),
              HasSubstr("cannot page-lock 4096 bytes of the host"));
}

TEST(HostMemory, LockingItIsToldToWhoWatches) {
  static const TickBoard* watched = nullptr;
  static Activity seen;
  SmallGpu device;
  TickBoard board;
  watched = &board;
  seen = Activity::idle;
  DeviceCalls calls = Machine::calls();
  calls.register_host = [](void* at, std::size_t bytes, unsigned flags) {
    seen = watched->read().activity;
    return Machine::calls().register_host(at, bytes, flags);
  };
  const auto gpu = std::make_shared<Gpu>(calls, Machine::images(), 0);
  const Doing loading(&board, Activity::loading);
  take_on_host(gpu, some_bytes, &board);
  EXPECT_EQ(seen, Activity::starting);
  EXPECT_EQ(board.read().activity, Activity::loading);
}

}  // namespace
}  // namespace troupe::kernels::cuda
