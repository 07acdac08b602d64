#include "model/checkpoint/new_file.hpp"

#include "runtime/base/error.hpp"

namespace troupe::model {

NewFile::NewFile(const std::filesystem::path& path) : path_(path), partial_(path.string() + ".partial") {
  out_.open(partial_, std::ios::binary | std::ios::trunc);
  if (!out_) throw Error("cannot be written", partial_.string(), "check the path and the free space");
}

NewFile::~NewFile() {
  if (finished_) return;
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

void NewFile::append(std::span<const std::byte> bytes) {
  if (!out_.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size())))
    throw Error("cannot be written", partial_.string(), "check the free space");
}

void NewFile::finish() {
  out_.close();
  std::error_code failure;
  if (!out_.fail()) std::filesystem::rename(partial_, path_, failure);
  if (out_.fail() || failure) throw Error("cannot be written", path_.string(), "check the free space");
  finished_ = true;
}

}  // namespace troupe::model
