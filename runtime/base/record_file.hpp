// Records behind one another in a file, each behind its size and a checksum: what a crash leaves of one at the file's end is not taken
// for one. One owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/file_descriptor.hpp"

namespace troupe {

// The bytes of a record in the file: its size and checksum, and itself; of less than 4 GiB.
std::string framed(std::string_view record);

class RecordFile {
 public:
  // Where a record is, with its frame.
  struct Place {
    std::uint64_t offset = 0, bytes = 0;
  };

  // Open for reading and writing. remedy: what to do when the disk fails, of errors. Throws Error for what is no regular file.
  RecordFile(FileDescriptor file, std::filesystem::path name, std::string remedy = {});

  // Gives the records in their order, up to the first that is not whole or that is not taken: there it ends, and so does what counts of
  // the file. Before any append. Throws Error for what cannot be read.
  void read(const std::function<bool(const std::string& record, Place place)>& take);

  std::uint64_t end() const { return end_; }    // of the records that were taken and appended
  std::uint64_t size() const { return size_; }  // of the file, when it was opened
  // As framed() made it; nothing, if the disk has not kept it. Throws Error for what cannot be read.
  std::optional<std::string> frame(Place place) const;
  std::string record(Place place) const;  // without its frame; throws Error

  void cut();  // what is behind the end; throws Error
  // Behind the end: framed records, one after the other. Throws Error: none of them counts then, and the next call writes over them.
  void append(std::string_view frames);
  void sync();  // throws Error

 private:
  std::string bytes_at(std::uint64_t offset, std::uint64_t bytes) const;

  FileDescriptor file_;
  std::filesystem::path name_;
  std::string remedy_;
  std::uint64_t size_ = 0, end_ = 0;
  bool at_end_ = false;  // the file ends there, and its position is there
};

}  // namespace troupe
