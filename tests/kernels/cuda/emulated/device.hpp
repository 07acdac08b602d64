// GPUs of the host, for tests: the table of driver calls over memory, streams, events and kernels that run as fibers
// (block.hpp), as nasty as the true one. Nothing that is enqueued runs before somebody waits or asks; streams that
// nothing orders run in random order; copies read and write the host's memory as late as they may, and write to none but
// what is page-locked; a fault stays.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "kernels/cuda/device_calls.hpp"
#include "kernels/cuda/images.hpp"

namespace troupe::kernels::cuda::emulated {

struct MachineOptions {
  int devices = 1;
  std::size_t memory = std::size_t{1} << 30;  // of each, in bytes
  std::uint32_t seed = 1;                     // of what is random
  // A fault that is not the program's: this launch (0: the first) of this kernel on a device ends so.
  std::string failing_kernel{};
  int failing_launch = 0;
  Result failure = launch_failed;
};

// Of a device's memory.
struct Piece {
  Address at = 0;
  std::size_t bytes = 0;
  bool writes = false;
};

// While it lives, calls() are about its devices. One at a time in a process; outlives all that uses them.
class Machine {
 public:
  explicit Machine(const MachineOptions& options = {});
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  static const DeviceCalls& calls();
  // What stands for kernels: those that are compiled for the host.
  static std::span<const KernelImage> images();

  // For what stands on top of the driver and lets devices wait for one another: run comes once ready has said that it
  // can, which is asked, again and again, when all before it is done. Both may touch the device's memory; what they are
  // about lies in pieces.
  static Result enqueue(Stream stream, std::span<const Piece> pieces, std::function<bool()> ready,
                        std::function<void()> run);

  // Whether one of its devices has this stream.
  static bool has(Stream stream);
  // What the first fault of a device was; empty: there was none.
  std::string fault(int device) const;
};

}  // namespace troupe::kernels::cuda::emulated
