#include "kernels/cuda/host_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernels/cpu/pages.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr int filling_threads = 4;  // enough for a memory bus
constexpr std::size_t page = 4096;
// The mapping that it was filled through stays, since its pages are locked; there is no other that writes.
constexpr int seals_of_locked = F_SEAL_FUTURE_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

std::size_t whole_pages(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + page - 1) / page * page;
}

// Pages of the host that are locked, and have an address of the device.
class LockedPages {
 public:
  LockedPages(std::shared_ptr<Gpu> gpu, std::shared_ptr<void> pages, std::size_t bytes, unsigned flags,
              TickBoard* ticks)
      : gpu_(std::move(gpu)), pages_(std::move(pages)) {
    const Doing locking(ticks, Activity::starting);  // the driver says nothing meanwhile
    const DeviceCalls& calls = gpu_->calls();
    gpu_->use();
    const Result locked = calls.register_host(pages_.get(), bytes, host_mapped | flags);
    // No fault of the device's.
    if (locked != success && fault_of(locked) == DeviceFaultKind::other)
      throw Error(
          "cannot page-lock " + std::to_string(bytes) + " bytes of the host: " + describe(calls, locked),
          "memory");
    gpu_->require(locked, "page-locking memory of the host");
    const Result mapped = calls.mapped_address(&at_, pages_.get(), 0);
    if (mapped != success) calls.unregister_host(pages_.get());
    gpu_->require(mapped, "mapping memory of the host");
    gpu_->reach_host(at_, bytes, static_cast<std::byte*>(pages_.get()));
  }
  ~LockedPages() {
    gpu_->leave_host(at_);
    gpu_->try_use();
    gpu_->calls().unregister_host(pages_.get());
  }
  LockedPages(const LockedPages&) = delete;
  LockedPages& operator=(const LockedPages&) = delete;
  void* device() const { return reinterpret_cast<void*>(at_); }

 private:
  std::shared_ptr<Gpu> gpu_;
  std::shared_ptr<void> pages_;
  Address at_ = 0;
};

std::shared_ptr<void> owned(std::shared_ptr<LockedPages> pages) {
  void* const at = pages->device();
  return {std::move(pages), at};
}

std::shared_ptr<void> map_to_read(const FileDescriptor& file, std::size_t bytes) {
  void* const at = mmap(nullptr, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, file.get(), 0);
  if (at == MAP_FAILED) throw Error(std::strerror(errno), "memory of an earlier life");
  return {at, [bytes](void* pages) { munmap(pages, bytes); }};
}

}  // namespace

LastingMemory take_on_host(const std::shared_ptr<Gpu>& gpu, std::size_t bytes, TickBoard* ticks) {
  const std::size_t all = whole_pages(bytes);
  ThreadPool pool(filling_threads, ticks);
  LastingMemory pages = take_lasting_pages(pool, all);
  return {owned(std::make_shared<LockedPages>(gpu, std::move(pages.memory), all, 0u, ticks)), bytes,
          std::move(pages.file)};
}

bool seal_on_host(const LastingMemory& memory) {
  return memory.file && fcntl(memory.file.get(), F_ADD_SEALS, seals_of_locked) == 0;
}

std::shared_ptr<void> adopt_on_host(const std::shared_ptr<Gpu>& gpu, const FileDescriptor& file,
                                    std::size_t bytes, TickBoard* ticks) {
  const std::size_t all = whole_pages(bytes);
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || std::size_t(status.st_size) < all)
    throw Error("is smaller than what it is to hold", "memory of an earlier life");
  if (fcntl(file.get(), F_GET_SEALS) != seals_of_locked)
    throw Error("could still be written to", "memory of an earlier life");
  int reads_alone = 0;
  gpu->require(gpu->calls().device_attribute(&reads_alone, reads_host_memory_alone, gpu->id()),
               "asking a GPU what it can");
  if (reads_alone == 0)
    throw Error("this GPU takes no memory of the host that it may only read", "memory of an earlier life");
  return owned(std::make_shared<LockedPages>(gpu, map_to_read(file, all), all, host_read_only, ticks));
}

}  // namespace troupe::kernels::cuda
