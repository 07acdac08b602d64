// A file that is written beside its place, and takes it when it is whole: one that was not finished leaves nothing.
// Belongs to one thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>

namespace troupe::model {

class NewFile {
 public:
  // Throws Error when the file cannot be made.
  explicit NewFile(const std::filesystem::path& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Throws Error when the disk is full.
  void append(std::span<const std::byte> bytes);
  // Throws Error when what was appended cannot be stored.
  void finish();

 private:
  std::filesystem::path path_, partial_;
  std::ofstream out_;
  bool finished_ = false;
};

}  // namespace troupe::model
