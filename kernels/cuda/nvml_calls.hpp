// The functions of NVIDIA's management library (NVML) that are used, as a table that is filled at run time; see
// device_calls.hpp, of which all that is said holds here. Names and numbers are those of the "NVML API Reference";
// tests/kernels/cuda/nvml_calls_test.cpp compares with nvml.h where there is one.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::kernels::cuda {

using NvmlResult = int;
using NvmlDevice = struct NvmlDeviceHandle*;
using NvmlEvents = struct NvmlEventsHandle*;

constexpr NvmlResult nvml_success = 0;
constexpr int nvml_temperature_of_gpu = 0;                       // nvmlTemperatureSensors_t
constexpr int nvml_ecc_corrected = 0, nvml_ecc_uncorrected = 1;  // nvmlMemoryErrorType_t
constexpr int nvml_since_driver_loaded = 0;                      // nvmlEccCounterType_t
constexpr std::uint64_t nvml_xid_events = 8;                     // nvmlEventTypeXidCriticalError

struct NvmlMemory {  // nvmlMemory_t, bytes
  std::uint64_t total, free, used;
};
struct NvmlUtilization {  // nvmlUtilization_t, percent
  unsigned gpu, memory;
};
struct NvmlEvent {  // nvmlEventData_t
  NvmlDevice device;
  std::uint64_t type, data;  // data: the Xid
  unsigned gpu_instance, compute_instance;
};

// CALL(name in the table, symbol, parameters...)
#define TROUPE_NVML_CALLS(CALL)                                                                              \
  CALL(start, nvmlInit_v2)                                                                                   \
  CALL(driver_version, nvmlSystemGetDriverVersion, char* text, unsigned length)                              \
  CALL(device_by_index, nvmlDeviceGetHandleByIndex_v2, unsigned index, NvmlDevice* device)                   \
  CALL(device_by_uuid, nvmlDeviceGetHandleByUUID, const char* uuid, NvmlDevice* device)                      \
  CALL(name, nvmlDeviceGetName, NvmlDevice device, char* text, unsigned length)                              \
  CALL(uuid, nvmlDeviceGetUUID, NvmlDevice device, char* text, unsigned length)                              \
  CALL(memory, nvmlDeviceGetMemoryInfo, NvmlDevice device, NvmlMemory* memory)                               \
  CALL(utilization, nvmlDeviceGetUtilizationRates, NvmlDevice device, NvmlUtilization* utilization)          \
  CALL(temperature, nvmlDeviceGetTemperature, NvmlDevice device, int sensor, unsigned* celsius)              \
  CALL(power, nvmlDeviceGetPowerUsage, NvmlDevice device, unsigned* milliwatts)                              \
  CALL(ecc_errors, nvmlDeviceGetTotalEccErrors, NvmlDevice device, int kind, int since,                      \
       std::uint64_t* count)                                                                                 \
  CALL(create_events, nvmlEventSetCreate, NvmlEvents* events)                                                \
  CALL(register_events, nvmlDeviceRegisterEvents, NvmlDevice device, std::uint64_t types, NvmlEvents events) \
  CALL(next_event, nvmlEventSetWait_v2, NvmlEvents events, NvmlEvent* event, unsigned milliseconds)          \
  CALL(free_events, nvmlEventSetFree, NvmlEvents events)

// Thread-safe as the library is.
struct NvmlCalls {
#define TROUPE_DECLARE_CALL(name, symbol, ...) NvmlResult (*name)(__VA_ARGS__) = nullptr;
  TROUPE_NVML_CALLS(TROUPE_DECLARE_CALL)
#undef TROUPE_DECLARE_CALL
};

// The library of this machine, loaded and started at the first call; null where there is none, or one that lacks a
// function. Any thread.
const NvmlCalls* nvml_calls();

}  // namespace troupe::kernels::cuda
