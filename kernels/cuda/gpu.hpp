// A GPU of this process: its context, its kernels and its memory. Shared by all that compute there, and by its memory. Any thread; a
// thread that makes driver calls of its own calls use() first.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/device_calls.hpp"
#include "kernels/cuda/images.hpp"
#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {

class Gpu : public std::enable_shared_from_this<Gpu> {
 public:
  // calls outlives it. Throws Error when there is no such GPU, or when no image has code for it.
  Gpu(const DeviceCalls& calls, std::span<const KernelImage> images, int ordinal);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const DeviceCalls& calls() const { return calls_; }
  void use() const;  // on this thread
  // Likewise, for destructors: a device that has failed fails every call, and there is nobody to tell.
  void try_use() const noexcept { calls_.use_context(context_); }
  void require(Result result, std::string_view doing) const { cuda::require(calls_, result, doing); }

  // Throws DeviceError when the device has failed.
  void require_alive() const;

  DeviceId id() const { return id_; }
  std::string uuid() const;    // in hexadecimal; of all GPUs that there are
  std::string bus_id() const;  // "0000:65:00.0"
  DeviceMemory memory() const;
  // Zeroed memory, aligned to 64 bytes at least. Throws Error when there is not enough.
  std::shared_ptr<void> allocate(std::size_t bytes);
  // For memory that is taken in another way:
  [[noreturn]] void refuse_memory(std::size_t bytes) const;
  void zero(void* memory, std::size_t bytes);  // waits until it is
  // Page-locked memory of the host, which copies read and write while the host goes on. Throws Error when the host has too
  // little.
  std::shared_ptr<void> allocate_pinned(std::size_t bytes);
  // Memory of the host has this address here, until it is left; see host_memory.hpp.
  void reach_host(Address at, std::size_t bytes, std::byte* host);
  void leave_host(Address at);
  // Null: it is memory of the device.
  std::byte* host_address(const void* at) const;
  // Copies into the device's memory and waits until it is there; several threads do not wait for one another.
  void upload(void* to, const void* from, std::size_t bytes);

  Function kernel(std::string_view name);

 private:
  // Of one upload at a time: page-locked memory, and a stream that brings what lies there.
  struct Lane {
    Stream stream = nullptr;
    void* piece = nullptr;
    bool taken = false;
  };
  class TakenLane;
  struct HostRange {
    std::size_t bytes;
    std::byte* host;
  };

  Lane& take_lane();
  void* pin(std::size_t bytes);
  void find_device(int ordinal);
  void load(std::span<const KernelImage> images);

  const DeviceCalls& calls_;
  std::string name_;  // for errors: "GPU 0"
  DeviceId id_ = 0;
  Context context_ = nullptr;
  Stream zeroes_ = nullptr;
  std::vector<Module> modules_;
  std::mutex mutex_;                          // of all that follows
  std::vector<std::unique_ptr<Lane>> lanes_;  // as many as threads have uploaded at a time
  std::map<std::string, Function, std::less<>> kernels_;
  mutable std::mutex host_mutex_;  // of:
  std::map<Address, HostRange> host_ranges_;
};

}  // namespace troupe::kernels::cuda
