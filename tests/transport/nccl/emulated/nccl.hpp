// NCCL for tests: the table of its calls over emulated GPUs, as nasty as the true one. Ranks are threads of one process; what
// they send each other moves when their streams come to it. Calls say "in progress" for a while, one may fail or be
// late as the test says, an abort may block, a rank that left is noticed by those who need it, or never. Two threads within
// one communicator, a communicator that is used after its end, and a stream that ends before it stop the process.
// Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "transport/nccl/nccl_calls.hpp"

namespace troupe::transport {

constexpr NcclResult nccl_unhandled_cuda_error = 1, nccl_system_error = 2, nccl_internal_error = 3,
                     nccl_invalid_argument = 4, nccl_invalid_usage = 5, nccl_remote_error = 6;

}  // namespace troupe::transport

namespace troupe::transport::emulated {

struct NcclQuirks {
  int version = 22809;
  bool notices_gone = true;  // a rank that waits for one that left hears of it
  int most_polls = 3;        // that say "in progress" after a call
  std::uint32_t seed = 1;
};

// One at a time in a process; outlives all that uses its calls.
class Nccl {
 public:
  explicit Nccl(const NcclQuirks& quirks = {});
  ~Nccl();
  Nccl(const Nccl&) = delete;
  Nccl& operator=(const Nccl&) = delete;

  NcclCalls calls() const;

  // Asked before each call on a communicator with its name: what it answers instead of doing anything; nccl_success: it goes on.
  void on_call(std::function<NcclResult(const char* name)> hook);
  // From now on aborts block until they are let go.
  void hold_aborts();
  void let_aborts_go();
  // Communicators that were made and not aborted.
  int living() const;

 private:
  std::unique_ptr<struct NcclState> state_;
};

}  // namespace troupe::transport::emulated
