#include "launch/batch/durable_write.hpp"

#include <cerrno>
#include <cstring>

#include "runtime/base/error.hpp"

namespace troupe::launch::batch {
namespace {

[[noreturn]] void fail(const std::filesystem::path& name) {
  throw Error(std::string("cannot be written: ") + std::strerror(errno), name.string(),
              "the same command goes on where it was");
}

}  // namespace

void write_durably(const FileDescriptor& file, std::string_view bytes, const std::filesystem::path& name) {
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(name);
    bytes.remove_prefix(std::size_t(written));
  }
  if (fdatasync(file.get()) != 0) fail(name);
}

void cut(const FileDescriptor& file, std::uint64_t bytes, const std::filesystem::path& name) {
  if (ftruncate(file.get(), off_t(bytes)) != 0 || lseek(file.get(), 0, SEEK_END) < 0) fail(name);
}

}  // namespace troupe::launch::batch
