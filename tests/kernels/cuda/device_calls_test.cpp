#include "kernels/cuda/device_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/base/error.hpp"
#include "tests/kernels/cuda/same_call.hpp"

#if __has_include(<cuda.h>)
#include <cuda.h>
#endif

namespace troupe::kernels::cuda {
namespace {

using testing::HasSubstr;

TEST(DeviceCalls, AMissingLibraryIsNamed) {
  try {
    load_device_calls("libtroupe-no-such-driver.so.1");
    FAIL();
  } catch (const Error& missing) {
    EXPECT_THAT(missing.what(), HasSubstr("libtroupe-no-such-driver.so.1"));
    EXPECT_THAT(missing.what(), HasSubstr("--device cpu"));
  }
}

TEST(DeviceCalls, AMissingFunctionIsNamed) {
  try {
    load_device_calls("libm.so.6");  // a library, but not the driver
    FAIL();
  } catch (const Error& missing) {
    EXPECT_THAT(missing.what(), HasSubstr("the driver has no cuInit"));
    EXPECT_THAT(missing.what(), HasSubstr("libm.so.6"));
  }
}

TEST(DeviceCalls, WhatIsThereIsTold) {
  const FoundDevices found = find_devices();
  EXPECT_NE(found.missing.empty(), found.cuda.empty());
  EXPECT_THAT(found.kernels, HasSubstr("kernels"));
}

TEST(DeviceCalls, FailuresHaveKinds) {
  using enum DeviceFaultKind;
  EXPECT_EQ(fault_of(success), none);
  EXPECT_EQ(fault_of(cuda::illegal_address), DeviceFaultKind::illegal_address);
  EXPECT_EQ(fault_of(misaligned_address), DeviceFaultKind::illegal_address);
  EXPECT_EQ(fault_of(cuda::launch_failed), DeviceFaultKind::launch_failed);
  EXPECT_EQ(fault_of(launch_timeout), hang);
  EXPECT_EQ(fault_of(ecc_uncorrectable), ecc);
  EXPECT_EQ(fault_of(nvlink_uncorrectable), nvlink);
  EXPECT_EQ(fault_of(unknown), lost);
  EXPECT_EQ(fault_of(12345), other);
}

#if __has_include(<cuda.h>)
// Handles are pointers to other names and results are numbers of another name; otherwise the declarations are cuda.h's.
#define TROUPE_COMPARE_CALL(name, symbol, ...) \
  static_assert(same_call<decltype(DeviceCalls::name), decltype(&::symbol)>, #symbol);
TROUPE_DEVICE_CALLS(TROUPE_COMPARE_CALL)
#undef TROUPE_COMPARE_CALL

static_assert(sizeof(MemoryKind) == sizeof(CUmemAllocationProp));
static_assert(offsetof(MemoryKind, handles) == offsetof(CUmemAllocationProp, requestedHandleTypes));
static_assert(offsetof(MemoryKind, place) == offsetof(CUmemAllocationProp, location));
static_assert(sizeof(MemoryPlace) == sizeof(CUmemLocation));
static_assert(offsetof(MemoryPlace, device) == offsetof(CUmemLocation, id));
static_assert(sizeof(MemoryAccess) == sizeof(CUmemAccessDesc));
static_assert(offsetof(MemoryAccess, access) == offsetof(CUmemAccessDesc, flags));

TEST(DeviceCalls, NumbersAreThoseOfTheToolkit) {
  EXPECT_EQ(success, int(CUDA_SUCCESS));
  EXPECT_EQ(invalid_value, int(CUDA_ERROR_INVALID_VALUE));
  EXPECT_EQ(out_of_memory, int(CUDA_ERROR_OUT_OF_MEMORY));
  EXPECT_EQ(no_device, int(CUDA_ERROR_NO_DEVICE));
  EXPECT_EQ(invalid_device, int(CUDA_ERROR_INVALID_DEVICE));
  EXPECT_EQ(invalid_image, int(CUDA_ERROR_INVALID_IMAGE));
  EXPECT_EQ(no_binary_for_gpu, int(CUDA_ERROR_NO_BINARY_FOR_GPU));
  EXPECT_EQ(invalid_handle, int(CUDA_ERROR_INVALID_HANDLE));
  EXPECT_EQ(not_found, int(CUDA_ERROR_NOT_FOUND));
  EXPECT_EQ(not_ready, int(CUDA_ERROR_NOT_READY));
  EXPECT_EQ(illegal_address, int(CUDA_ERROR_ILLEGAL_ADDRESS));
  EXPECT_EQ(launch_failed, int(CUDA_ERROR_LAUNCH_FAILED));
  EXPECT_EQ(device_unavailable, int(CUDA_ERROR_DEVICE_UNAVAILABLE));
  EXPECT_EQ(ecc_uncorrectable, int(CUDA_ERROR_ECC_UNCORRECTABLE));
  EXPECT_EQ(nvlink_uncorrectable, int(CUDA_ERROR_NVLINK_UNCORRECTABLE));
  EXPECT_EQ(contained, int(CUDA_ERROR_CONTAINED));
  EXPECT_EQ(launch_out_of_resources, int(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES));
  EXPECT_EQ(launch_timeout, int(CUDA_ERROR_LAUNCH_TIMEOUT));
  EXPECT_EQ(device_assert, int(CUDA_ERROR_ASSERT));
  EXPECT_EQ(hardware_stack_error, int(CUDA_ERROR_HARDWARE_STACK_ERROR));
  EXPECT_EQ(illegal_instruction, int(CUDA_ERROR_ILLEGAL_INSTRUCTION));
  EXPECT_EQ(misaligned_address, int(CUDA_ERROR_MISALIGNED_ADDRESS));
  EXPECT_EQ(invalid_address_space, int(CUDA_ERROR_INVALID_ADDRESS_SPACE));
  EXPECT_EQ(invalid_pc, int(CUDA_ERROR_INVALID_PC));
  EXPECT_EQ(unknown, int(CUDA_ERROR_UNKNOWN));
  EXPECT_EQ(compute_capability_major, int(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
  EXPECT_EQ(compute_capability_minor, int(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  EXPECT_EQ(memory_has_files, int(CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED));
  EXPECT_EQ(reads_host_memory_alone, int(CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED));
  EXPECT_EQ(host_mapped, unsigned(CU_MEMHOSTREGISTER_DEVICEMAP));
  EXPECT_EQ(host_read_only, unsigned(CU_MEMHOSTREGISTER_READ_ONLY));
  EXPECT_EQ(memory_file, int(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
  EXPECT_EQ(least_granularity, int(CU_MEM_ALLOC_GRANULARITY_MINIMUM));
  EXPECT_EQ(access_to_read, int(CU_MEM_ACCESS_FLAGS_PROT_READ));
  EXPECT_EQ(access_to_write, int(CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
  EXPECT_EQ(MemoryKind().type, int(CU_MEM_ALLOCATION_TYPE_PINNED));
  EXPECT_EQ(MemoryPlace().type, int(CU_MEM_LOCATION_TYPE_DEVICE));
  EXPECT_EQ(stream_apart, unsigned(CU_STREAM_NON_BLOCKING));
  EXPECT_EQ(event_without_times, unsigned(CU_EVENT_DISABLE_TIMING));
}
#endif

}  // namespace
}  // namespace troupe::kernels::cuda
