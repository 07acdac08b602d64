// The functions of NVIDIA's driver that are used, as a table that is filled at run time: one program serves on
// machines with and without a GPU, and tests put a device of their own in. The driver's interface alone is used, so
// there is no CUDA runtime to find: kernels lie in the program (kernels/cuda/images.hpp) and the driver loads them.
// What the names mean is in the "CUDA Driver API" of the toolkit; declared here, since a machine without the
// toolkit builds this too. tests/kernels/cuda/device_calls_test.cpp compares with cuda.h where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/device_fault.hpp"

namespace troupe::kernels::cuda {

using Result = int;  // CUresult
using DeviceId = int;
using Address = std::uint64_t;  // of the device's memory; the same number as the pointer that kernels use
// CUuuid
struct DeviceUuid {
  unsigned char bytes[16] = {};
};
using Context = struct ContextHandle*;
using Stream = struct StreamHandle*;
using Event = struct EventHandle*;
using Module = struct ModuleHandle*;
using Function = struct FunctionHandle*;

constexpr Result success = 0, invalid_value = 1, out_of_memory = 2, device_unavailable = 46, no_device = 100,
                 invalid_device = 101, invalid_image = 200, no_binary_for_gpu = 209, ecc_uncorrectable = 214,
                 nvlink_uncorrectable = 220, contained = 226, invalid_handle = 400, not_found = 500,
                 not_ready = 600, illegal_address = 700, launch_out_of_resources = 701, launch_timeout = 702,
                 device_assert = 710, hardware_stack_error = 714, illegal_instruction = 715,
                 misaligned_address = 716, invalid_address_space = 717, invalid_pc = 718, launch_failed = 719,
                 unknown = 999;

constexpr int compute_capability_major = 75, compute_capability_minor = 76, memory_has_files = 103,
              reads_host_memory_alone = 113;             // CUdevice_attribute
constexpr unsigned stream_apart = 1;                     // CU_STREAM_NON_BLOCKING
constexpr unsigned event_without_times = 2;              // CU_EVENT_DISABLE_TIMING
constexpr unsigned host_mapped = 2, host_read_only = 8;  // CU_MEMHOSTREGISTER_DEVICEMAP, _READ_ONLY

// Memory that is made, exported and mapped on its own.
using MemoryHandle = unsigned long long;                // CUmemGenericAllocationHandle
constexpr int memory_file = 1;                          // CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
constexpr int least_granularity = 0;                    // CU_MEM_ALLOC_GRANULARITY_MINIMUM
constexpr int access_to_read = 1, access_to_write = 3;  // CUmemAccess_flags; who writes reads
struct MemoryPlace {                                    // CUmemLocation
  int type = 1;                                         // a device
  DeviceId device = 0;
};
struct MemoryKind {  // CUmemAllocationProp
  int type = 1;      // pinned
  int handles = memory_file;
  MemoryPlace place;
  void* of_windows = nullptr;
  unsigned char flags[8] = {};
};
struct MemoryAccess {  // CUmemAccessDesc
  MemoryPlace place;
  int access = access_to_read;
};

// CALL(name in the table, symbol, parameters...)
#define TROUPE_DEVICE_CALLS(CALL)                                                                     \
  CALL(start, cuInit, unsigned flags)                                                                 \
  CALL(driver_version, cuDriverGetVersion, int* version)                                              \
  CALL(error_name, cuGetErrorName, Result result, const char** name)                                  \
  CALL(error_text, cuGetErrorString, Result result, const char** text)                                \
  CALL(count_devices, cuDeviceGetCount, int* count)                                                   \
  CALL(find_device, cuDeviceGet, DeviceId* device, int ordinal)                                       \
  CALL(device_name, cuDeviceGetName, char* name, int length, DeviceId device)                         \
  CALL(device_uuid, cuDeviceGetUuid_v2, DeviceUuid* uuid, DeviceId device)                            \
  CALL(device_attribute, cuDeviceGetAttribute, int* value, int attribute, DeviceId device)            \
  CALL(bus_id, cuDeviceGetPCIBusId, char* text, int length, DeviceId device)                          \
  CALL(retain_context, cuDevicePrimaryCtxRetain, Context* context, DeviceId device)                   \
  CALL(release_context, cuDevicePrimaryCtxRelease_v2, DeviceId device)                                \
  CALL(use_context, cuCtxSetCurrent, Context context)                                                 \
  CALL(memory, cuMemGetInfo_v2, std::size_t* free, std::size_t* total)                                \
  CALL(allocate, cuMemAlloc_v2, Address* at, std::size_t bytes)                                       \
  CALL(free, cuMemFree_v2, Address at)                                                                \
  CALL(memory_granularity, cuMemGetAllocationGranularity, std::size_t* bytes, const MemoryKind* kind, \
       int which)                                                                                     \
  CALL(create_memory, cuMemCreate, MemoryHandle* memory, std::size_t bytes, const MemoryKind* kind,   \
       unsigned long long flags)                                                                      \
  CALL(release_memory, cuMemRelease, MemoryHandle memory)                                             \
  CALL(export_memory, cuMemExportToShareableHandle, void* file, MemoryHandle memory, int handle,      \
       unsigned long long flags)                                                                      \
  CALL(import_memory, cuMemImportFromShareableHandle, MemoryHandle* memory, void* file, int handle)   \
  CALL(reserve_addresses, cuMemAddressReserve, Address* at, std::size_t bytes, std::size_t alignment, \
       Address wish, unsigned long long flags)                                                        \
  CALL(free_addresses, cuMemAddressFree, Address at, std::size_t bytes)                               \
  CALL(map_memory, cuMemMap, Address at, std::size_t bytes, std::size_t offset, MemoryHandle memory,  \
       unsigned long long flags)                                                                      \
  CALL(unmap_memory, cuMemUnmap, Address at, std::size_t bytes)                                       \
  CALL(set_access, cuMemSetAccess, Address at, std::size_t bytes, const MemoryAccess* access,         \
       std::size_t count)                                                                             \
  CALL(allocate_pinned, cuMemHostAlloc, void** at, std::size_t bytes, unsigned flags)                 \
  CALL(free_pinned, cuMemFreeHost, void* at)                                                          \
  CALL(register_host, cuMemHostRegister_v2, void* at, std::size_t bytes, unsigned flags)              \
  CALL(unregister_host, cuMemHostUnregister, void* at)                                                \
  CALL(mapped_address, cuMemHostGetDevicePointer_v2, Address* at, void* host, unsigned flags)         \
  CALL(copy_in, cuMemcpyHtoDAsync_v2, Address to, const void* from, std::size_t bytes, Stream stream) \
  CALL(copy_out, cuMemcpyDtoHAsync_v2, void* to, Address from, std::size_t bytes, Stream stream)      \
  CALL(copy, cuMemcpyDtoDAsync_v2, Address to, Address from, std::size_t bytes, Stream stream)        \
  CALL(fill, cuMemsetD8Async, Address at, unsigned char byte, std::size_t bytes, Stream stream)       \
  CALL(create_stream, cuStreamCreate, Stream* stream, unsigned flags)                                 \
  CALL(destroy_stream, cuStreamDestroy_v2, Stream stream)                                             \
  CALL(query_stream, cuStreamQuery, Stream stream)                                                    \
  CALL(wait_for_stream, cuStreamSynchronize, Stream stream)                                           \
  CALL(run_on_host, cuLaunchHostFunc, Stream stream, void (*function)(void*), void* argument)         \
  CALL(create_event, cuEventCreate, Event* event, unsigned flags)                                     \
  CALL(destroy_event, cuEventDestroy_v2, Event event)                                                 \
  CALL(record_event, cuEventRecord, Event event, Stream stream)                                       \
  CALL(query_event, cuEventQuery, Event event)                                                        \
  CALL(load_module, cuModuleLoadData, Module* module, const void* image)                              \
  CALL(unload_module, cuModuleUnload, Module module)                                                  \
  CALL(find_function, cuModuleGetFunction, Function* function, Module module, const char* name)       \
  CALL(launch, cuLaunchKernel, Function function, unsigned grid_x, unsigned grid_y, unsigned grid_z,  \
       unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes, Stream stream,    \
       void** parameters, void** extra)

// Thread-safe as the driver is: any thread, once its context is in use there.
struct DeviceCalls {
#define TROUPE_DECLARE_CALL(name, symbol, ...) Result (*name)(__VA_ARGS__) = nullptr;
  TROUPE_DEVICE_CALLS(TROUPE_DECLARE_CALL)
#undef TROUPE_DECLARE_CALL
};

// The driver of this machine, loaded and started at the first call. Throws Error that names the library or the
// function that is missing and the driver that has it. Any thread.
const DeviceCalls& driver_calls();

// A table from the library of that name; driver_calls without the memory of it. The library stays loaded.
DeviceCalls load_device_calls(const std::string& library);

// Of a device on which work or a call failed so.
DeviceFaultKind fault_of(Result result);

// Throws DeviceError with the driver's name and text of the result, unless it is success.
void require(const DeviceCalls& calls, Result result, std::string_view doing);
// The same, as text: "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered".
std::string describe(const DeviceCalls& calls, Result result);

// What there is to compute on.
struct FoundDevices {
  std::string driver{};   // its version, "580.65.06"; empty: not known
  std::string cuda{};     // that it is for, "13.0"
  std::string gpus{};     // "8 x NVIDIA H200 (sm_90)", or "no GPU"
  std::string kernels{};  // that this program has, "kernels for sm_80, 90"
  std::string missing{};  // why the first three are empty
};
// Throws nothing.
FoundDevices find_devices();

}  // namespace troupe::kernels::cuda
