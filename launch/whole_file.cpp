#include "launch/whole_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/base/durable_file.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch {
namespace {

using std::filesystem::path;

[[noreturn]] void fail(const path& file, const std::string& what, const std::string& remedy = "") {
  throw Error(what + ": " + std::generic_category().message(errno), file.string(), remedy);
}

// A group that may do nothing with the file need not be kept.
bool give(const FileDescriptor& file, uid_t owner, gid_t group, mode_t mode) {
  return fchown(file.get(), owner, group) == 0 || (owner == geteuid() && (mode & S_IRWXG) == 0);
}

// owned_as: null: by whoever asks.
void write_beside(const path& partial, const path& file, const std::string& text, mode_t mode,
                  const struct stat* owned_as) {
  const FileDescriptor out(open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!out) fail(file, "cannot be written");
  if (owned_as && !give(out, owned_as->st_uid, owned_as->st_gid, mode))
    fail(file, "cannot be given to its owner and group", "do it as its owner, or as root");
  if (fchmod(out.get(), mode) != 0) fail(file, "cannot be written");  // open's goes by the umask
  write_whole(out, text, file);
  sync_file(out, file);
}

void put_in_place(const path& file, const std::string& text, mode_t mode, const struct stat* owned_as) {
  const path partial = file.string() + ".partial";
  unlink(partial.c_str());
  try {
    write_beside(partial, file, text, mode, owned_as);
    if (rename(partial.c_str(), file.c_str()) != 0) fail(file, "cannot be written");
  } catch (...) {
    unlink(partial.c_str());
    throw;
  }
}

}  // namespace

void write_whole_file(const path& file, const std::string& text, mode_t mode) {
  put_in_place(file, text, mode, nullptr);
}

void rewrite_whole_file(const path& file, const std::string& text, mode_t mode_of_new) {
  struct stat before {};
  if (stat(file.c_str(), &before) != 0) return put_in_place(file, text, mode_of_new, nullptr);
  put_in_place(file, text, before.st_mode & 07777, &before);
}

}  // namespace troupe::launch
