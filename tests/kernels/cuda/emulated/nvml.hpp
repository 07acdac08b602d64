// NVIDIA's management library over GPUs that a test describes. One at a time in a process; not thread-safe.
#pragma once

#include <cstdio>
#include <deque>
#include <string>
#include <vector>

#include "kernels/cuda/nvml_calls.hpp"
#include "runtime/base/error.hpp"

namespace troupe::kernels::cuda {

constexpr NvmlResult nvml_not_supported = 3, nvml_not_found = 6, nvml_timeout = 10, nvml_gpu_is_lost = 15;

struct NvmlDeviceHandle {
  std::string uuid{}, name{};
  NvmlMemory memory{};
  unsigned utilization = 0, celsius = 0, milliwatts = 0;
  std::uint64_t corrected = 0, uncorrected = 0;
  bool has_ecc = true, lost = false;
};

namespace emulated {

class Nvml {
 public:
  explicit Nvml(std::vector<NvmlDeviceHandle> described) : gpus(std::move(described)) {
    CHECK(there == nullptr, "two emulated libraries at a time");
    there = this;
  }
  ~Nvml() { there = nullptr; }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  void xid(std::size_t gpu, std::uint64_t number) {
    events.push_back({&gpus[gpu], nvml_xid_events, number, ~0u, ~0u});
  }
  static const NvmlCalls& calls();

  std::vector<NvmlDeviceHandle> gpus;
  std::deque<NvmlEvent> events;
  std::vector<NvmlDevice> registered;
  int event_sets = 0;  // that live

  static inline Nvml* there = nullptr;
};

inline NvmlResult text_to(char* to, unsigned length, const std::string& text) {
  std::snprintf(to, length, "%s", text.c_str());
  return nvml_success;
}

inline const NvmlCalls& Nvml::calls() {
  static const NvmlCalls calls{
      .start = [] { return nvml_success; },
      .driver_version = [](char* text, unsigned length) { return text_to(text, length, "580.65.06"); },
      .device_by_index =
          [](unsigned index, NvmlDevice* device) {
            if (index >= there->gpus.size()) return nvml_not_found;
            *device = &there->gpus[index];
            return nvml_success;
          },
      .device_by_uuid =
          [](const char* uuid, NvmlDevice* device) {
            for (NvmlDeviceHandle& gpu : there->gpus)
              if (gpu.uuid == uuid) return *device = &gpu, nvml_success;
            return nvml_not_found;
          },
      .name = [](NvmlDevice gpu, char* text, unsigned length) { return text_to(text, length, gpu->name); },
      .uuid = [](NvmlDevice gpu, char* text, unsigned length) { return text_to(text, length, gpu->uuid); },
      .memory =
          [](NvmlDevice gpu, NvmlMemory* memory) {
            *memory = gpu->memory;
            return gpu->lost ? nvml_gpu_is_lost : nvml_success;
          },
      .utilization =
          [](NvmlDevice gpu, NvmlUtilization* utilization) {
            *utilization = {gpu->utilization, 0};
            return nvml_success;
          },
      .temperature =
          [](NvmlDevice gpu, int, unsigned* celsius) {
            *celsius = gpu->celsius;
            return nvml_success;
          },
      .power =
          [](NvmlDevice gpu, unsigned* milliwatts) {
            *milliwatts = gpu->milliwatts;
            return gpu->milliwatts > 0 ? nvml_success : nvml_not_supported;
          },
      .ecc_errors =
          [](NvmlDevice gpu, int kind, int, std::uint64_t* count) {
            *count = kind == nvml_ecc_corrected ? gpu->corrected : gpu->uncorrected;
            return gpu->has_ecc ? nvml_success : nvml_not_supported;
          },
      .create_events =
          [](NvmlEvents* events) {
            *events = reinterpret_cast<NvmlEvents>(there);
            ++there->event_sets;
            return nvml_success;
          },
      .register_events =
          [](NvmlDevice gpu, std::uint64_t, NvmlEvents) {
            there->registered.push_back(gpu);
            return nvml_success;
          },
      .next_event =
          [](NvmlEvents, NvmlEvent* event, unsigned) {
            if (there->events.empty()) return nvml_timeout;
            *event = there->events.front();
            there->events.pop_front();
            return nvml_success;
          },
      .free_events =
          [](NvmlEvents) {
            --there->event_sets;
            return nvml_success;
          },
  };
  return calls;
}

}  // namespace emulated
}  // namespace troupe::kernels::cuda
