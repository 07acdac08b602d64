#include "model/checkpoint/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/error.hpp"
#include "runtime/base/file_descriptor.hpp"

namespace troupe::model {

MappedFile MappedFile::open(const std::filesystem::path& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0)
    throw Error(std::string("cannot be opened: ") + std::strerror(errno), path.string());
  if (!S_ISREG(status.st_mode)) throw Error("is not a regular file", path.string());
  MappedFile mapped;
  mapped.size_ = std::size_t(status.st_size);
  if (mapped.size_ == 0) throw Error("is empty", path.string());
  void* const data = ::mmap(nullptr, mapped.size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED)
    throw Error(std::string("cannot be mapped: ") + std::strerror(errno), path.string());
  mapped.data_ = {static_cast<const std::byte*>(data), [size = mapped.size_](const std::byte* begin) {
                    ::munmap(const_cast<std::byte*>(begin), size);
                  }};
  return mapped;
}

}  // namespace troupe::model
