#include "kernels/cuda/gpu_monitor.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::kernels::cuda {
namespace {

constexpr unsigned text_bytes = 96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE, NVML_DEVICE_UUID_V2_BUFFER_SIZE
constexpr int most_events = 1000;    // taken at once

}  // namespace

GpuMonitor::GpuMonitor(const NvmlCalls& calls) : calls_(calls) {
  if (calls_.create_events(&events_) != nvml_success) events_ = nullptr;
}

GpuMonitor::~GpuMonitor() {
  if (events_) calls_.free_events(events_);
}

NvmlDevice GpuMonitor::find(const std::string& gpu) const {
  NvmlDevice device = nullptr;
  if (gpu.starts_with("GPU-"))
    return calls_.device_by_uuid(gpu.c_str(), &device) == nvml_success ? device : nullptr;
  unsigned index = 0;
  const char* const end = gpu.data() + gpu.size();
  const auto parsed = std::from_chars(gpu.data(), end, index);
  if (parsed.ec != std::errc() || parsed.ptr != end) return nullptr;
  return calls_.device_by_index(index, &device) == nvml_success ? device : nullptr;
}

void GpuMonitor::watch(std::int32_t rank, const std::string& gpu) {
  const NvmlDevice device = find(gpu);
  if (!device) {
    by_rank_.erase(rank);
    return;
  }
  Watched& watched = by_rank_[rank];
  if (watched.device == device) return;
  char text[text_bytes] = {};
  watched = {device};
  if (calls_.uuid(device, text, text_bytes) == nvml_success) watched.uuid = text;
  if (calls_.name(device, text, text_bytes) == nvml_success) watched.name = text;
  if (events_ && xids_.try_emplace(device).second) calls_.register_events(device, nvml_xid_events, events_);
}

void GpuMonitor::take_events() {
  NvmlEvent event{};
  for (int i = 0; events_ && i < most_events && calls_.next_event(events_, &event, 0) == nvml_success; ++i)
    if (event.type == nvml_xid_events) ++xids_[event.device][event.data];
}

GpuReading GpuMonitor::read(std::int32_t rank, const Watched& watched) const {
  GpuReading reading{.rank = rank, .uuid = watched.uuid, .name = watched.name};
  if (const auto seen = xids_.find(watched.device); seen != xids_.end()) reading.xids = seen->second;
  NvmlMemory memory{};
  reading.answers = calls_.memory(watched.device, &memory) == nvml_success;
  if (!reading.answers) return reading;
  reading.memory_total = memory.total;
  reading.memory_used = memory.total - std::min(memory.free, memory.total);
  NvmlUtilization utilization{};
  if (calls_.utilization(watched.device, &utilization) == nvml_success)
    reading.utilization = utilization.gpu / 100.0;
  unsigned celsius = 0, milliwatts = 0;
  if (calls_.temperature(watched.device, nvml_temperature_of_gpu, &celsius) == nvml_success)
    reading.celsius = celsius;
  if (calls_.power(watched.device, &milliwatts) == nvml_success) reading.watts = milliwatts / 1000.0;
  const auto ecc = [&](int kind) {
    std::uint64_t count = 0;
    return calls_.ecc_errors(watched.device, kind, nvml_since_driver_loaded, &count) == nvml_success ? count
                                                                                                     : 0;
  };
  reading.ecc_corrected = ecc(nvml_ecc_corrected);
  reading.ecc_uncorrected = ecc(nvml_ecc_uncorrected);
  return reading;
}

std::vector<GpuReading> GpuMonitor::read() {
  take_events();
  std::vector<GpuReading> all;
  for (const auto& [rank, watched] : by_rank_) all.push_back(read(rank, watched));
  return all;
}

}  // namespace troupe::kernels::cuda
