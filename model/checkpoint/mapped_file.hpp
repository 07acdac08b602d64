// A file in the address space, to be read alone. It must not shrink meanwhile. Any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace troupe::model {

class MappedFile {
 public:
  // Throws Error for what is no regular file, or is empty.
  static MappedFile open(const std::filesystem::path& path);

  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};

}  // namespace troupe::model
