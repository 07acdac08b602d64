#include "kernels/cuda/lasting_memory.hpp"

#include <algorithm>

namespace troupe::kernels::cuda {
namespace {

MemoryKind kind_on(const Gpu& gpu) {
  return {.place = {.device = gpu.id()}};
}

bool has_files(const Gpu& gpu) {
  int has = 0;
  gpu.require(gpu.calls().device_attribute(&has, memory_has_files, gpu.id()), "asking a GPU what it can");
  return has != 0;
}

// Sizes are multiples of what the GPU maps at a time.
std::size_t mapped_bytes(const Gpu& gpu, std::size_t bytes) {
  const MemoryKind kind = kind_on(gpu);
  std::size_t unit = 0;
  gpu.require(gpu.calls().memory_granularity(&unit, &kind, least_granularity), "asking a GPU what it can");
  return (std::max<std::size_t>(bytes, 1) + unit - 1) / unit * unit;
}

// Of this process; what it stands for stays as long as it is mapped, or has a file.
class Handle {
 public:
  Handle(const Gpu& gpu, MemoryHandle memory) : gpu_(gpu), memory_(memory) {}
  ~Handle() { gpu_.calls().release_memory(memory_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  MemoryHandle get() const { return memory_; }

 private:
  const Gpu& gpu_;
  MemoryHandle memory_;
};

// Addresses of a GPU, and the memory that is mapped there.
class Mapping {
 public:
  Mapping(std::shared_ptr<Gpu> gpu, const Handle& memory, std::size_t bytes)
      : gpu_(std::move(gpu)), bytes_(bytes) {
    const DeviceCalls& calls = gpu_->calls();
    gpu_->require(calls.reserve_addresses(&at_, bytes_, 0, 0, 0), "reserving addresses of a GPU");
    const Result mapped = calls.map_memory(at_, bytes_, 0, memory.get(), 0);
    if (mapped != success) calls.free_addresses(at_, bytes_);
    gpu_->require(mapped, "mapping memory of a GPU");
  }
  ~Mapping() {
    gpu_->try_use();
    gpu_->calls().unmap_memory(at_, bytes_);
    gpu_->calls().free_addresses(at_, bytes_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  void* get() const { return reinterpret_cast<void*>(at_); }

 private:
  std::shared_ptr<Gpu> gpu_;
  std::size_t bytes_;
  Address at_ = 0;
};

Result allow(const Gpu& gpu, void* at, std::size_t bytes, int access) {
  const MemoryAccess allowed{{.device = gpu.id()}, access};
  return gpu.calls().set_access(reinterpret_cast<Address>(at), bytes, &allowed, 1);
}

// Where a GPU knows no such access, only the program's own care is left: nothing is written to weights.
void allow_to_read(const Gpu& gpu, void* at, std::size_t bytes) {
  if (allow(gpu, at, bytes, access_to_read) != success)
    gpu.require(allow(gpu, at, bytes, access_to_write), "making memory of a GPU accessible");
}

std::shared_ptr<void> owned(std::shared_ptr<Mapping> mapping) {
  void* const at = mapping->get();
  return {std::move(mapping), at};
}

}  // namespace

LastingMemory take_lasting(const std::shared_ptr<Gpu>& gpu, std::size_t bytes) {
  gpu->use();
  if (!has_files(*gpu)) return {gpu->allocate(bytes), bytes, {}};
  const DeviceCalls& calls = gpu->calls();
  const std::size_t mapped = mapped_bytes(*gpu, bytes);
  const MemoryKind kind = kind_on(*gpu);
  MemoryHandle made = 0;
  const Result result = calls.create_memory(&made, mapped, &kind, 0);
  if (result == out_of_memory) gpu->refuse_memory(mapped);
  gpu->require(result, "allocating memory of a GPU");
  const Handle handle(*gpu, made);
  auto mapping = std::make_shared<Mapping>(gpu, handle, mapped);
  gpu->require(allow(*gpu, mapping->get(), mapped, access_to_write), "making memory of a GPU accessible");
  gpu->zero(mapping->get(), mapped);
  int file = -1;
  gpu->require(calls.export_memory(&file, handle.get(), memory_file, 0), "exporting memory of a GPU");
  return {owned(std::move(mapping)), bytes, FileDescriptor(file)};
}

bool seal(const Gpu& gpu, const LastingMemory& memory) {
  if (!memory.file) return false;
  gpu.use();
  allow_to_read(gpu, memory.memory.get(), mapped_bytes(gpu, memory.bytes));
  return true;
}

std::shared_ptr<void> adopt(const std::shared_ptr<Gpu>& gpu, const FileDescriptor& file, std::size_t bytes) {
  gpu->use();
  const std::size_t mapped = mapped_bytes(*gpu, bytes);
  MemoryHandle imported = 0;
  void* const from = reinterpret_cast<void*>(std::uintptr_t(file.get()));
  gpu->require(gpu->calls().import_memory(&imported, from, memory_file), "importing memory of a GPU");
  const Handle handle(*gpu, imported);
  auto mapping = std::make_shared<Mapping>(gpu, handle, mapped);
  allow_to_read(*gpu, mapping->get(), mapped);
  return owned(std::move(mapping));
}

}  // namespace troupe::kernels::cuda
