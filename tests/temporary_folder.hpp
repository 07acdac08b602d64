// A folder of a test's own, gone with it: tests run side by side, and so do builds.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "troupe-test-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // At once: who reads it meanwhile finds the file as it was or as it will be.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / (name + ".part"), std::ios::binary) << content;
    std::filesystem::rename(path_ / (name + ".part"), path_ / name);
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace troupe
