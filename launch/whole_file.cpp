#include "launch/whole_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "runtime/base/error.hpp"

namespace troupe::launch {

void write_whole_file(const std::filesystem::path& file, const std::string& text, mode_t mode) {
  const std::string partial = file.string() + ".partial";
  unlink(partial.c_str());
  const auto fail = [&](int reason) {
    unlink(partial.c_str());
    throw Error("cannot be written: " + std::generic_category().message(reason), file.string());
  };
  const int descriptor = open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (descriptor < 0) fail(errno);
  const bool written =
      write(descriptor, text.data(), text.size()) == ssize_t(text.size()) && fsync(descriptor) == 0;
  const int reason = written ? 0 : errno;
  if (close(descriptor) != 0 || !written) fail(reason ? reason : EIO);
  if (rename(partial.c_str(), file.c_str()) != 0) fail(errno);
}

}  // namespace troupe::launch
