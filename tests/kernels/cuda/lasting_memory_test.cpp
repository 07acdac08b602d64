// Memory of a GPU that a process leaves to the next one.
#include "kernels/cuda/lasting_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <numeric>
#include <optional>

#include "kernels/cuda/cuda_queue.hpp"
#include "runtime/base/memory_file.hpp"
#include "tests/error_of.hpp"
#include "tests/held_by.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"
#include "tests/kernels/cuda/rule_kernels.hpp"

namespace troupe::kernels::cuda {
namespace {

using emulated::Machine;
using testing::HasSubstr;

constexpr std::size_t unit = 1 << 16, n = 1000, bytes = n * sizeof(float);

struct OneGpu {
  explicit OneGpu(std::size_t memory = std::size_t{1} << 20)
      : machine({.memory = memory}),
        gpu(std::make_shared<Gpu>(Machine::calls(), Machine::images(), 0)),
        queue(gpu) {}
  std::vector<float> read(const void* from) {
    std::vector<float> values(n);
    queue.copy_out(values.data(), from, bytes);
    queue.wait(TimePoint::max());
    return values;
  }
  std::size_t used() { return gpu->memory().used; }

  Machine machine;
  std::shared_ptr<Gpu> gpu;
  CudaQueue queue;
};

std::vector<float> numbers() {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 1.0f);
  return values;
}

LastingMemory filled(OneGpu& device) {
  LastingMemory memory = take_lasting(device.gpu, bytes);
  device.gpu->upload(memory.memory.get(), numbers().data(), bytes);
  EXPECT_TRUE(seal(*device.gpu, memory));
  return memory;
}

TEST(LastingMemory, IsZeroed) {
  OneGpu device;
  EXPECT_EQ(device.read(take_lasting(device.gpu, bytes).memory.get()), std::vector<float>(n, 0.0f));
}

TEST(LastingMemory, IsTheSameWhereItIsAdopted) {
  OneGpu device;
  const LastingMemory memory = filled(device);
  EXPECT_EQ(device.used(), unit);
  const auto adopted = adopt(device.gpu, memory.file, bytes);
  EXPECT_NE(adopted.get(), memory.memory.get());
  EXPECT_EQ(device.read(adopted.get()), numbers());
  EXPECT_EQ(device.used(), unit) << "it is there once";
}

TEST(LastingMemory, OutlivesItsGpusLife) {
  std::optional<OneGpu> device(std::in_place);
  FileDescriptor file = std::move(filled(*device).file);
  EXPECT_EQ(device->used(), 0u);
  device.reset();
  device.emplace();
  EXPECT_EQ(device->read(adopt(device->gpu, file, bytes).get()), numbers());
}

// The node's end is in this process, the worker is another that is killed.
TEST(LastingMemory, OutlivesAKilledProcess) {
  auto [ours, its] = held_memory_sockets();
  const pid_t worker = fork();
  if (worker == 0) {
    OneGpu device;
    const LastingMemory memory = filled(device);
    MemoryKeeper({}, std::move(its)).keep({"weights", "some", "", bytes}, memory.file);
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(worker, &status, 0), worker);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  HeldMemory held;
  held.receive(ours);
  ASSERT_EQ(held.files().size(), 1u);
  OneGpu device;
  EXPECT_EQ(device.read(adopt(device.gpu, held.files()[0].file, bytes).get()), numbers());
}

TEST(LastingMemory, IsReadAloneOnceItIsSealed) {
  OneGpu device;
  const LastingMemory memory = filled(device);
  const auto adopted = adopt(device.gpu, memory.file, bytes);
  for (void* const at : {memory.memory.get(), adopted.get()})
    EXPECT_THROW(device.gpu->upload(at, numbers().data(), bytes), Error);
  device.queue.launch({}, Advance{static_cast<float*>(adopted.get()), n, Broken::nothing});
  EXPECT_THAT(error_of([&] { device.queue.wait(TimePoint::max()); }), HasSubstr("ILLEGAL_ADDRESS"));
}

TEST(LastingMemory, TooMuchIsRefusedWithWhatIsFree) {
  OneGpu device(3 * unit);
  const LastingMemory first = take_lasting(device.gpu, 2 * unit);
  const std::string error = error_of([&] { take_lasting(device.gpu, 2 * unit - 5); });
  EXPECT_THAT(error, HasSubstr("cannot allocate 131072 bytes: 65536 of 196608 are free"));
  EXPECT_THAT(error, HasSubstr("--gpu-memory-utilization"));
  EXPECT_NO_THROW(take_lasting(device.gpu, unit)) << "what was refused took nothing";
}

TEST(LastingMemory, AFileOfSomethingElseIsNotAdopted) {
  OneGpu device;
  EXPECT_THAT(error_of([&] { adopt(device.gpu, FileDescriptor(), bytes); }), HasSubstr("importing"));
  EXPECT_THAT(error_of([&] { adopt(device.gpu, troupe::memory_file("other", "bytes"), bytes); }),
              HasSubstr("importing"));
  const LastingMemory memory = filled(device);
  EXPECT_THAT(error_of([&] { adopt(device.gpu, memory.file, 2 * unit); }), HasSubstr("mapping"));
  EXPECT_EQ(device.used(), unit);
}

}  // namespace
}  // namespace troupe::kernels::cuda
