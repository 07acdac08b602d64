#include "tests/kernels/cuda/emulated/memory.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/base/memory_file.hpp"

namespace troupe::kernels::cuda::emulated {
namespace {

constexpr std::size_t page = 4096, alignment = 64, address_space = std::size_t{1} << 36;
constexpr int nothing_yet = 0xff;  // as floats: NaN, which stays the same in most that is done to it
constexpr int padding = 0x7f;      // as floats: 3e38, which does not
constexpr const char* file_name = "emulated-gpu";

std::size_t round_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

}  // namespace

DeviceMemory::DeviceMemory(std::size_t bytes) : bytes_(bytes) {
  void* const region =
      mmap(nullptr, address_space, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(region != MAP_FAILED, "no addresses for an emulated GPU");
  region_ = static_cast<std::byte*>(region);
}

DeviceMemory::~DeviceMemory() {
  munmap(region_, address_space);
}

Address DeviceMemory::allocate(std::size_t bytes) {
  const std::size_t padded = round_up(bytes, alignment), page_bytes = round_up(padded, page);
  if (bytes > left() || page_bytes + page > address_space - next_) return 0;
  const Allocation made{region_ + next_, page_bytes, bytes, PROT_READ | PROT_WRITE, nullptr};
  protect(made, PROT_READ | PROT_WRITE);
  std::memset(made.pages, padding, page_bytes);
  std::memset(made.end() - padded, nothing_yet, bytes);
  protect(made, PROT_NONE);
  const auto at = reinterpret_cast<Address>(made.end() - padded);
  allocations_[at] = made;
  next_ += page_bytes + page;
  used_ += bytes;
  return at;
}

bool DeviceMemory::free(Address at) {
  const auto found = allocations_.find(at);
  if (found == allocations_.end() || found->second.file) return false;
  used_ -= found->second.bytes;
  protect(found->second, PROT_NONE);
  madvise(found->second.pages, found->second.page_bytes, MADV_DONTNEED);
  allocations_.erase(found);
  return true;
}

bool DeviceMemory::holds(Address at, std::size_t bytes, bool writes) const {
  auto after = allocations_.upper_bound(at);
  if (after == allocations_.begin()) return false;
  const auto& [begin, allocation] = *--after;
  const int access = writes ? PROT_WRITE : PROT_READ;
  return (allocation.access & access) && at - begin <= allocation.bytes &&
         bytes <= allocation.bytes - (at - begin);
}

DeviceMemory::File::File(DeviceMemory& whose, FileDescriptor memory, std::size_t size)
    : device(whose), file(std::move(memory)), bytes(size) {
  device.used_ += bytes;
}

MemoryHandle DeviceMemory::handle_of(std::shared_ptr<File> file) {
  handles_[next_handle_] = std::move(file);
  return next_handle_++;
}

MemoryHandle DeviceMemory::create(std::size_t bytes) {
  if (bytes > left()) return 0;
  FileDescriptor file = lasting_memory_file(file_name, bytes);
  const std::vector<unsigned char> nothing(bytes, nothing_yet);
  CHECK(pwrite(file.get(), nothing.data(), bytes, 0) == ssize_t(bytes), "memory of an emulated GPU");
  return handle_of(std::make_shared<File>(*this, std::move(file), bytes));
}

// What this device knows already is the same memory, and takes no more.
MemoryHandle DeviceMemory::import(int file) {
  std::error_code none;
  const auto target = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file), none);
  struct stat status {};
  if (target.string().find(file_name) == std::string::npos || fstat(file, &status) != 0) return 0;
  const auto same = [&](const std::shared_ptr<File>& known) {
    struct stat its {};
    return known && fstat(known->file.get(), &its) == 0 && its.st_ino == status.st_ino;
  };
  for (const auto& [handle, known] : handles_)
    if (same(known)) return handle_of(known);
  for (const auto& [at, allocation] : allocations_)
    if (same(allocation.file)) return handle_of(allocation.file);
  return handle_of(std::make_shared<File>(*this, FileDescriptor(dup(file)), std::size_t(status.st_size)));
}

FileDescriptor DeviceMemory::exported(MemoryHandle memory) const {
  const auto found = handles_.find(memory);
  return found == handles_.end() ? FileDescriptor() : FileDescriptor(dup(found->second->file.get()));
}

Address DeviceMemory::reserve(std::size_t bytes) {
  next_ = round_up(next_, granularity);
  if (bytes == 0 || bytes % granularity != 0 || bytes + page > address_space - next_) return 0;
  const auto at = reinterpret_cast<Address>(region_ + next_);
  next_ += bytes + page;
  reserved_[at] = bytes;
  return at;
}

bool DeviceMemory::unreserve(Address at, std::size_t bytes) {
  const auto found = reserved_.find(at);
  if (found == reserved_.end() || found->second != bytes || mapped(at, bytes)) return false;
  reserved_.erase(found);
  return true;
}

DeviceMemory::Allocation* DeviceMemory::mapped(Address at, std::size_t bytes) {
  const auto found = allocations_.find(at);
  const bool whole = found != allocations_.end() && found->second.file && found->second.bytes == bytes;
  return whole ? &found->second : nullptr;
}

// Nobody may use it until access is allowed.
bool DeviceMemory::map(Address at, std::size_t bytes, MemoryHandle memory) {
  const auto place = reserved_.find(at);
  const auto found = handles_.find(memory);
  if (place == reserved_.end() || place->second != bytes || allocations_.contains(at)) return false;
  if (found == handles_.end() || bytes % granularity != 0 || bytes > found->second->bytes) return false;
  auto* const pages = reinterpret_cast<std::byte*>(at);
  CHECK(mmap(pages, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, found->second->file.get(), 0) == pages);
  allocations_[at] = {pages, bytes, bytes, PROT_NONE, found->second};
  return true;
}

bool DeviceMemory::unmap(Address at, std::size_t bytes) {
  const Allocation* const there = mapped(at, bytes);
  if (!there) return false;
  CHECK(mmap(there->pages, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) == there->pages);
  allocations_.erase(at);
  return true;
}

bool DeviceMemory::allow(Address at, std::size_t bytes, int access) {
  Allocation* const there = mapped(at, bytes);
  if (!there) return false;
  there->access = access == access_to_write ? PROT_READ | PROT_WRITE : PROT_READ;
  return true;
}

bool DeviceMemory::map_host(void* host, std::size_t bytes, bool writes) {
  next_ = round_up(next_, page);
  const bool whole = bytes > 0 && bytes % page == 0 && reinterpret_cast<std::uintptr_t>(host) % page == 0;
  if (!whole || of_host_.contains(host) || bytes + page > address_space - next_) return false;
  std::byte* const pages = region_ + next_;
  // Of nothing: a second mapping of the same pages.
  if (mremap(host, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, pages) != pages) return false;
  const Allocation made{pages, bytes, bytes, writes ? PROT_READ | PROT_WRITE : PROT_READ, nullptr};
  protect(made, PROT_NONE);
  const auto at = reinterpret_cast<Address>(pages);
  allocations_[at] = made;
  of_host_[host] = at;
  next_ += bytes + page;
  return true;
}

bool DeviceMemory::unmap_host(void* host) {
  const auto found = of_host_.find(host);
  if (found == of_host_.end()) return false;
  const Allocation& there = allocations_.at(found->second);
  CHECK(mmap(there.pages, there.page_bytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == there.pages);
  allocations_.erase(found->second);
  of_host_.erase(found);
  return true;
}

Address DeviceMemory::address_of_host(void* host) const {
  const auto found = of_host_.find(host);
  return found == of_host_.end() ? 0 : found->second;
}

bool DeviceMemory::open(const void* at) {
  auto after = allocations_.upper_bound(reinterpret_cast<Address>(at));
  if (after == allocations_.begin()) return false;
  Allocation& touched = (--after)->second;
  if (at >= touched.end() || touched.open || touched.access == PROT_NONE) return false;
  protect(touched, touched.access);
  touched.open = true;
  touched.opened_before = std::exchange(opened_last_, &touched);
  return true;
}

bool DeviceMemory::close() {
  bool whole = true;
  while (opened_last_ != nullptr) {
    Allocation& opened = *std::exchange(opened_last_, opened_last_->opened_before);
    const std::byte* const end = opened.end();
    const std::size_t padded = round_up(opened.bytes, alignment);
    whole = whole && std::all_of(end - padded + opened.bytes, end,
                                 [](std::byte b) { return b == std::byte(padding); });
    protect(opened, PROT_NONE);
    opened.open = false;
  }
  return whole;
}

void DeviceMemory::protect(const Allocation& allocation, int protection) {
  CHECK(mprotect(allocation.pages, allocation.page_bytes, protection) == 0, "mprotect of an emulated GPU");
}

}  // namespace troupe::kernels::cuda::emulated
