#include "runtime/base/durable_file.hpp"

#include <fcntl.h>

#include <thread>

#include "runtime/base/file.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe {
namespace {

using testing::HasSubstr;

FileDescriptor opened(const std::filesystem::path& file) {
  return FileDescriptor(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

TEST(DurableFile, IsWrittenOnBehindWhereItIsCut) {
  const TemporaryFolder folder;
  const auto name = folder.path() / "file";
  const FileDescriptor file = opened(name);
  write_whole(file, "one two", name);
  cut_file(file, 4, name);
  write_whole(file, "three", name);
  sync_file(file, name);
  sync_folder(folder.path());
  EXPECT_EQ(read_file(name, 100), "one three");
}

TEST(DurableFile, HasOneLock) {
  const TemporaryFolder folder;
  const auto name = folder.path() / "file";
  FileDescriptor first = opened(name);
  const FileDescriptor second = opened(name);
  lock_file(first, name, "wait");
  EXPECT_THAT(error_of([&] { lock_file(second, name, "wait"); }),
              HasSubstr("file: is in use by another process; wait"));
  std::thread waits([&] { await_lock(second, name, "make it"); });
  first = FileDescriptor();
  waits.join();
  EXPECT_THAT(error_of([&] { lock_file(opened(name), name, "wait"); }), HasSubstr("in use"));
  EXPECT_THAT(error_of([&] { await_lock(FileDescriptor(), "none", "make it"); }),
              HasSubstr("none: cannot be locked; make it"));
}

TEST(DurableFile, ErrorsNameItAndTheRemedy) {
  const FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  EXPECT_THAT(error_of([&] { write_whole(full, "x", "/dev/full", "make room"); }),
              HasSubstr("/dev/full: cannot be written: No space left on device; make room"));
  EXPECT_THAT(error_of([&] { cut_file(full, 0, "/dev/full"); }), HasSubstr("/dev/full: cannot be written"));
  EXPECT_THAT(error_of([&] { sync_file(FileDescriptor(), "none"); }), HasSubstr("none: cannot be written"));
  EXPECT_THAT(error_of([&] { sync_folder("/nowhere"); }), HasSubstr("/nowhere: cannot be written"));
}

}  // namespace
}  // namespace troupe
