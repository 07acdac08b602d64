#include "kernels/cuda/nvml_calls.hpp"

#include <gtest/gtest.h>

#include "tests/kernels/cuda/emulated/nvml.hpp"

#if __has_include(<nvml.h>)
#include <nvml.h>

#include "tests/kernels/cuda/same_call.hpp"
#endif

namespace troupe::kernels::cuda {
namespace {

TEST(NvmlCalls, AreWholeOrNotThere) {
  const NvmlCalls* const calls = nvml_calls();
  EXPECT_EQ(calls, nvml_calls());
  if (!calls) GTEST_SKIP() << "no libnvidia-ml.so.1 here";
#define TROUPE_EXPECT_CALL(name, symbol, ...) EXPECT_NE(calls->name, nullptr) << #symbol;
  TROUPE_NVML_CALLS(TROUPE_EXPECT_CALL)
#undef TROUPE_EXPECT_CALL
}

#if __has_include(<nvml.h>)
#define TROUPE_COMPARE_CALL(name, symbol, ...) \
  static_assert(same_call<decltype(NvmlCalls::name), decltype(&::symbol)>, #symbol);
TROUPE_NVML_CALLS(TROUPE_COMPARE_CALL)
#undef TROUPE_COMPARE_CALL

TEST(NvmlCalls, NumbersAreThoseOfTheHeader) {
  EXPECT_EQ(nvml_success, int(NVML_SUCCESS));
  EXPECT_EQ(nvml_not_supported, int(NVML_ERROR_NOT_SUPPORTED));
  EXPECT_EQ(nvml_not_found, int(NVML_ERROR_NOT_FOUND));
  EXPECT_EQ(nvml_timeout, int(NVML_ERROR_TIMEOUT));
  EXPECT_EQ(nvml_gpu_is_lost, int(NVML_ERROR_GPU_IS_LOST));
  EXPECT_EQ(nvml_temperature_of_gpu, int(NVML_TEMPERATURE_GPU));
  EXPECT_EQ(nvml_ecc_corrected, int(NVML_MEMORY_ERROR_TYPE_CORRECTED));
  EXPECT_EQ(nvml_ecc_uncorrected, int(NVML_MEMORY_ERROR_TYPE_UNCORRECTED));
  EXPECT_EQ(nvml_since_driver_loaded, int(NVML_VOLATILE_ECC));
  EXPECT_EQ(nvml_xid_events, std::uint64_t(nvmlEventTypeXidCriticalError));
}

TEST(NvmlCalls, StructsAreThoseOfTheHeader) {
  EXPECT_EQ(sizeof(NvmlMemory), sizeof(nvmlMemory_t));
  EXPECT_EQ(offsetof(NvmlMemory, free), offsetof(nvmlMemory_t, free));
  EXPECT_EQ(offsetof(NvmlMemory, used), offsetof(nvmlMemory_t, used));
  EXPECT_EQ(sizeof(NvmlUtilization), sizeof(nvmlUtilization_t));
  EXPECT_EQ(sizeof(NvmlEvent), sizeof(nvmlEventData_t));
  EXPECT_EQ(offsetof(NvmlEvent, type), offsetof(nvmlEventData_t, eventType));
  EXPECT_EQ(offsetof(NvmlEvent, data), offsetof(nvmlEventData_t, eventData));
}
#endif

}  // namespace
}  // namespace troupe::kernels::cuda
