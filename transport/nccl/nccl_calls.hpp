// The functions of NCCL that are used, as a table that is filled at run time: one program serves on machines with and
// without NCCL, and tests put an NCCL of their own in. What the names mean is in NCCL's documentation; declared here,
// since a machine without it builds this too. tests/transport/nccl/nccl_calls_test.cpp compares with nccl.h where
// there is one.
#pragma once

#include <climits>
#include <cstddef>
#include <string>

#include "kernels/cuda/device_calls.hpp"

namespace troupe::transport {

using NcclResult = int;  // ncclResult_t
using NcclComm = struct NcclCommHandle*;
using NcclStream = kernels::cuda::Stream;

constexpr NcclResult nccl_success = 0, nccl_in_progress = 7;

constexpr int nccl_bytes = 0;  // of ncclDataType_t: ncclInt8

struct NcclUniqueId {
  char bytes[128] = {};
};

// As much of ncclConfig_t as there was in version 2.14, which it says that it is: later versions take what is missing
// for its default.
struct NcclConfig {
  std::size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = 21400;
  int blocking = 0;
  int unset = INT_MIN;
};

// CALL(name in the table, symbol, parameters...)
#define TROUPE_NCCL_CALLS(CALL)                                                                              \
  CALL(version, ncclGetVersion, int* version)                                                                \
  CALL(unique_id, ncclGetUniqueId, NcclUniqueId* id)                                                         \
  CALL(init, ncclCommInitRankConfig, NcclComm* comm, int ranks, NcclUniqueId id, int rank,                   \
       NcclConfig* config)                                                                                   \
  CALL(async_error, ncclCommGetAsyncError, NcclComm comm, NcclResult* state)                                 \
  CALL(abort, ncclCommAbort, NcclComm comm)                                                                  \
  CALL(all_gather, ncclAllGather, const void* mine, void* all, std::size_t count, int type, NcclComm comm,   \
       NcclStream stream)                                                                                    \
  CALL(send, ncclSend, const void* from, std::size_t count, int type, int peer, NcclComm comm,               \
       NcclStream stream)                                                                                    \
  CALL(receive, ncclRecv, void* to, std::size_t count, int type, int peer, NcclComm comm, NcclStream stream) \
  CALL(group_start, ncclGroupStart)                                                                          \
  CALL(group_end, ncclGroupEnd)
#define TROUPE_NCCL_TEXTS(CALL)                           \
  CALL(error_text, ncclGetErrorString, NcclResult result) \
  CALL(last_error, ncclGetLastError, NcclComm comm)

// No two threads are within the calls of one communicator at a time.
struct NcclCalls {
#define TROUPE_DECLARE_CALL(name, symbol, ...) NcclResult (*name)(__VA_ARGS__) = nullptr;
#define TROUPE_DECLARE_TEXT(name, symbol, ...) const char* (*name)(__VA_ARGS__) = nullptr;
  TROUPE_NCCL_CALLS(TROUPE_DECLARE_CALL)
  TROUPE_NCCL_TEXTS(TROUPE_DECLARE_TEXT)
#undef TROUPE_DECLARE_TEXT
#undef TROUPE_DECLARE_CALL
};

// The NCCL of this machine, loaded at the first call that finds it. Throws Error that names the library, the function that
// is missing or the version that is too old. Any thread.
const NcclCalls& nccl_calls();

// A table from the library of that name; nccl_calls without the memory of it. The library stays loaded.
NcclCalls load_nccl_calls(const std::string& library);

// What it says of itself: "2.28.9". Throws Error when it is older than what is used here.
std::string nccl_version(const NcclCalls& calls);
// "unhandled system error", and what NCCL had to say of the last thing that failed.
std::string describe(const NcclCalls& calls, NcclResult result);

// That of this machine; empty where there is none that serves. Any thread.
std::string installed_nccl_version();

}  // namespace troupe::transport
