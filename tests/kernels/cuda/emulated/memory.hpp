// The memory of an emulated GPU: addresses that fault unless the device is at work, so that host code which follows a
// pointer of the device is caught as it would be on a real one. What the device touches while it works is opened to it
// by the fault, an allocation at a time, since most work touches few. Each allocation ends at a page that always faults,
// but for less than 64 bytes of padding, which is watched; addresses are never used again. New memory is NaN. Memory
// that is made on its own is a memory file, which other processes' emulated GPUs can map. Guarded by its device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "kernels/cuda/device_calls.hpp"
#include "runtime/base/file_descriptor.hpp"

namespace troupe::kernels::cuda::emulated {

class DeviceMemory {
 public:
  explicit DeviceMemory(std::size_t bytes);  // that there are
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  Address allocate(std::size_t bytes);  // 0: not enough
  bool free(Address at);                // false: no such allocation
  std::size_t total() const { return bytes_; }
  std::size_t left() const { return bytes_ - used_; }
  // Within one allocation, which may be read, or written to.
  bool holds(Address at, std::size_t bytes, bool writes) const;

  static constexpr std::size_t granularity = 1 << 16;
  // As the driver's calls of these names; what the driver calls an invalid value is 0, null or false.
  MemoryHandle create(std::size_t bytes);
  MemoryHandle import(int file);
  FileDescriptor exported(MemoryHandle memory) const;
  bool release(MemoryHandle memory) { return handles_.erase(memory) == 1; }
  Address reserve(std::size_t bytes);
  bool unreserve(Address at, std::size_t bytes);
  bool map(Address at, std::size_t bytes, MemoryHandle memory);
  bool unmap(Address at, std::size_t bytes);
  bool allow(Address at, std::size_t bytes, int access);

  // Pages of the host get an address of the device, another than their own: they must be whole pages of one shared mapping.
  // writes: the device may do so, too.
  bool map_host(void* host, std::size_t bytes, bool writes);
  bool unmap_host(void* host);
  Address address_of_host(void* host) const;  // 0: they have none

  // Its device works and has touched this, which faulted: true, it may go on. Also from a signal handler.
  bool open(const void* at);
  // The device has done its work; false: something was written into paddings.
  bool close();

 private:
  // What handles and mappings stand for. Its bytes are in use while one does.
  struct File {
    File(DeviceMemory& device, FileDescriptor memory, std::size_t size);
    ~File() { device.used_ -= bytes; }
    DeviceMemory& device;
    FileDescriptor file;
    std::size_t bytes;
  };
  struct Allocation {
    std::byte* pages;
    std::size_t page_bytes, bytes;
    int access;                  // of the device's work
    std::shared_ptr<File> file;  // that is mapped here, if any
    Allocation* opened_before = nullptr;
    bool open = false;
    std::byte* end() const { return pages + page_bytes; }
  };
  MemoryHandle handle_of(std::shared_ptr<File> file);
  Allocation* mapped(Address at, std::size_t bytes);
  void protect(const Allocation& allocation, int protection);

  const std::size_t bytes_;
  std::byte* region_ = nullptr;
  std::size_t next_ = 0, used_ = 0;
  std::map<Address, Allocation> allocations_;
  Allocation* opened_last_ = nullptr;  // of those that are open
  std::map<MemoryHandle, std::shared_ptr<File>> handles_;
  std::map<Address, std::size_t> reserved_;  // bytes of what was reserved
  MemoryHandle next_handle_ = 1;
  std::map<void*, Address> of_host_;
};

}  // namespace troupe::kernels::cuda::emulated
