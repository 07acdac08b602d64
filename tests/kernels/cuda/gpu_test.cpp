#include "kernels/cuda/gpu.hpp"

#include <gmock/gmock.h>

#include <barrier>
#include <cstring>
#include <set>
#include <thread>

#include "tests/error_of.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"

namespace troupe::kernels::cuda {
namespace {

using emulated::Machine;
using testing::AllOf;
using testing::HasSubstr;

// A copy to the device, as the driver is told of it.
struct Copy {
  const void* from;
  Stream stream;
};
std::mutex mutex;
std::vector<Copy> copies;
std::set<const void*> pinned;
std::barrier both(2);  // of two threads that upload

DeviceCalls watched_calls() {
  copies.clear();
  pinned.clear();
  DeviceCalls calls = Machine::calls();
  calls.copy_in = [](Address to, const void* from, std::size_t bytes, Stream stream) {
    {
      const std::lock_guard lock(mutex);
      copies.push_back({from, stream});
    }
    both.arrive_and_wait();
    return Machine::calls().copy_in(to, from, bytes, stream);
  };
  calls.allocate_pinned = [](void** at, std::size_t bytes, unsigned flags) {
    const Result result = Machine::calls().allocate_pinned(at, bytes, flags);
    const std::lock_guard lock(mutex);
    pinned.insert(*at);
    return result;
  };
  return calls;
}

TEST(Gpu, UploadsOfSeveralThreadsGoOnAtATimeFromPageLockedMemory) {
  const Machine machine;
  const DeviceCalls calls = watched_calls();
  const auto gpu = std::make_shared<Gpu>(calls, Machine::images(), 0);
  constexpr std::size_t bytes = (std::size_t{8} << 20) + 4;  // three times what is page-locked
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&, i] {
      std::vector<unsigned char> source(bytes);
      for (std::size_t at = 0; at < bytes; ++at)
        source[at] = static_cast<unsigned char>(at * 7 + at / 4096 + std::size_t(i));
      const auto memory = gpu->allocate(bytes);
      gpu->upload(memory.get(), source.data(), bytes);
      const auto back = gpu->allocate_pinned(bytes);
      Stream stream = nullptr;
      gpu->require(gpu->calls().create_stream(&stream, stream_apart), "making a stream");
      gpu->require(gpu->calls().copy_out(back.get(), reinterpret_cast<Address>(memory.get()), bytes, stream),
                   "reading");
      gpu->require(gpu->calls().wait_for_stream(stream), "reading");
      gpu->calls().destroy_stream(stream);
      EXPECT_EQ(std::memcmp(back.get(), source.data(), bytes), 0) << "thread " << i;
    });
  threads.clear();
  ASSERT_EQ(copies.size(), 6u);
  std::set<Stream> streams;
  for (const Copy& copy : copies) {
    EXPECT_TRUE(pinned.contains(copy.from));
    streams.insert(copy.stream);
  }
  EXPECT_EQ(streams.size(), 2u);
}

// Nothing is wrong with the device then.
TEST(Gpu, AHostWithoutMemoryIsAnErrorWithNumbers) {
  const Machine machine;
  DeviceCalls calls = Machine::calls();
  calls.allocate_pinned = [](void**, std::size_t, unsigned) { return out_of_memory; };
  const auto gpu = std::make_shared<Gpu>(calls, Machine::images(), 0);
  try {
    gpu->allocate_pinned(12345);
    FAIL();
  } catch (const DeviceError&) {
    FAIL() << "the device has not failed";
  } catch (const Error& refused) {
    EXPECT_THAT(refused.what(), AllOf(HasSubstr("12345 bytes"), HasSubstr("are free"), HasSubstr("GPU 0")));
  }
  EXPECT_EQ(error_of([&] { gpu->require_alive(); }), "no error");
}

TEST(Gpu, OneThatHasFailedSaysSo) {
  const Machine machine;
  const auto gpu = std::make_shared<Gpu>(Machine::calls(), Machine::images(), 0);
  EXPECT_EQ(error_of([&] { gpu->require_alive(); }), "no error");
  DeviceCalls failed = Machine::calls();
  failed.query_stream = [](Stream) { return illegal_address; };
  const auto broken = std::make_shared<Gpu>(failed, Machine::images(), 0);
  try {
    broken->require_alive();
    FAIL();
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.fault.kind, DeviceFaultKind::illegal_address);
  }
}

}  // namespace
}  // namespace troupe::kernels::cuda
