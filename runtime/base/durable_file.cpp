#include "runtime/base/durable_file.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/error.hpp"

namespace troupe {
namespace {

[[noreturn]] void cannot_be_written(const std::filesystem::path& name, std::string_view remedy) {
  throw Error(std::string("cannot be written: ") + std::strerror(errno), name.string(), remedy);
}

}  // namespace

void lock_file(const FileDescriptor& file, const std::filesystem::path& name, std::string_view remedy) {
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error("is in use by another process", name.string(), remedy);
}

void await_lock(const FileDescriptor& file, const std::filesystem::path& name, std::string_view remedy) {
  while (flock(file.get(), LOCK_EX) != 0)
    if (errno != EINTR) throw Error("cannot be locked", name.string(), remedy);
}

void write_whole(const FileDescriptor& file, std::string_view bytes, const std::filesystem::path& name,
                 std::string_view remedy) {
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot_be_written(name, remedy);
    bytes.remove_prefix(std::size_t(written));
  }
}

void cut_file(const FileDescriptor& file, std::uint64_t bytes, const std::filesystem::path& name,
              std::string_view remedy) {
  if (ftruncate(file.get(), off_t(bytes)) != 0 || lseek(file.get(), 0, SEEK_END) < 0)
    cannot_be_written(name, remedy);
}

void sync_file(const FileDescriptor& file, const std::filesystem::path& name, std::string_view remedy) {
  if (fdatasync(file.get()) != 0) cannot_be_written(name, remedy);
}

void sync_folder(const std::filesystem::path& folder, std::string_view remedy) {
  const FileDescriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || fsync(opened.get()) != 0) cannot_be_written(folder, remedy);
}

}  // namespace troupe
