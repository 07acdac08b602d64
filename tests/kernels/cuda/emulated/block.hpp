// A block of threads of the emulated GPU: fibers that run in random order, each until it waits for others. Barriers
// are counted, shared memory is NaN until it is written and its bounds are checked, so a rule that a kernel breaks
// shows as a wrong result in some order, as a deadlock or as a fault. Used by one thread of the host.
//
// Asynchronous copies and products of tensor cores are to be further things that can go on while all threads wait:
// see Block::run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/cuda/device_calls.hpp"
#include "tests/kernels/cuda/emulated/fiber.hpp"
#include "tests/kernels/cuda/emulated/order.hpp"

namespace troupe::kernels::cuda::emulated {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};

// Of all blocks of a grid.
struct Launch {
  const char* kernel = nullptr;
  void (*run)(const void* arguments) = nullptr;
  const void* arguments = nullptr;
  Index grid, block;  // how many
};

constexpr unsigned warp_threads = 32;

struct Fault {
  Result result = success;
  std::string what;
};

class Block {
 public:
  Block(const Launch& launch, Index at, std::uint32_t seed);

  // What went wrong.
  Fault run();

  // The rest is called by the thread that runs.
  static Block* current();  // null: no kernel runs on this thread of the host
  Index thread() const { return {running(), 0, 0}; }
  Index at() const { return at_; }
  const Launch& launch() const { return launch_; }
  void sync();
  // The bytes that lane `from` of the warp gave in the same call; all lanes call.
  std::uint64_t exchange(std::uint64_t mine, unsigned from);
  // The next array of shared memory; all threads ask for the same ones in the same order.
  std::byte* shared(std::size_t bytes, std::size_t alignment);
  // Ends the block: nothing of it runs again, and what its threads' stacks own is not given back. Also from a
  // signal handler.
  [[noreturn]] void fail(Result result, const char* what, std::uint64_t number);

 private:
  struct Thread {
    std::unique_ptr<Fiber> fiber;  // from its first step to its last
    std::size_t shared = 0;        // bytes that it has asked for
    unsigned exchanges = 0;
  };
  // Threads that wait for one another.
  struct Meeting {
    unsigned arrived = 0;
    std::vector<unsigned> waiting;
  };
  struct Warp {
    Meeting meeting;
    std::uint64_t slots[2][warp_threads] = {};  // one exchange may begin while lanes leave the one before
  };

  void step(unsigned thread);
  UNSEEN unsigned running() const { return running_; }
  std::string place() const;
  void meet(Meeting& meeting, unsigned threads);
  Fiber* arrive(Meeting& meeting, unsigned threads);  // the one that runs, which is to pause
  Fault who_waits() const;

  const Launch& launch_;
  const Index at_;
  std::mt19937 random_;
  std::vector<Thread> threads_;
  std::vector<unsigned> ready_;
  std::vector<Warp> warps_;
  Meeting barrier_;
  std::vector<std::byte> shared_;
  unsigned running_ = 0;
  Fault fault_;
};

}  // namespace troupe::kernels::cuda::emulated
