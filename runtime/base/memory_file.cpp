#include "runtime/base/memory_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "runtime/base/error.hpp"

namespace troupe {
namespace {

FileDescriptor create(const std::string& name) {
  FileDescriptor file(memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) throw Error(std::strerror(errno), "memory file " + name);
  return file;
}

}  // namespace

FileDescriptor memory_file(const std::string& name, std::string_view text) {
  FileDescriptor file = create(name);
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = pwrite(file.get(), text.data() + done, text.size() - done, off_t(done));
    if (count < 0 && errno != EINTR) throw Error(std::strerror(errno), "memory file " + name);
    done += std::size_t(std::max<ssize_t>(count, 0));
  }
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return file;
}

FileDescriptor lasting_memory_file(const std::string& name, std::size_t bytes) {
  FileDescriptor file = create(name);
  if (bytes > std::numeric_limits<off_t>::max() || ftruncate(file.get(), off_t(bytes)) != 0)
    throw Error(std::strerror(errno), "memory file " + name);
  return file;
}

FileDescriptor shared_memory_file(const std::string& name, std::size_t bytes) {
  FileDescriptor file = lasting_memory_file(name, bytes);
  fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return file;
}

std::string take_memory_file(int fd) {
  const FileDescriptor file(fd);
  std::string text;
  std::array<char, 4096> part;
  for (;;) {
    const ssize_t count = pread(fd, part.data(), part.size(), off_t(text.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(std::strerror(errno), "inherited file " + std::to_string(fd));
    if (count == 0) return text;
    text.append(part.data(), std::size_t(count));
  }
}

void* map_shared(const FileDescriptor& file, std::size_t bytes) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || status.st_size < off_t(bytes))
    throw Error("smaller than what it is to hold", "shared memory file");
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) throw Error(std::strerror(errno), "mmap of a shared memory file");
  return memory;
}

void unmap_shared(void* memory, std::size_t bytes) {
  munmap(memory, bytes);
}

}  // namespace troupe
