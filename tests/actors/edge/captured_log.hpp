// What is logged while it lives, which may be read while a server still writes to it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "runtime/base/file.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors::edge {

class CapturedLog {
 public:
  CapturedLog() : before_(::dup(STDERR_FILENO)) {
    const int file = ::open(path().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    CHECK(before_ >= 0 && file >= 0 && ::dup2(file, STDERR_FILENO) >= 0);
    ::close(file);
  }
  ~CapturedLog() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  std::string text() const { return read_file(path(), 16 << 20); }
  // Lines of an event, in their order.
  std::vector<nlohmann::json> events(std::string_view name) const {
    const std::string all = text();
    std::vector<nlohmann::json> found;
    for (std::size_t at = 0, end; (end = all.find('\n', at)) != all.npos; at = end + 1) {
      const auto line = nlohmann::json::parse(all.substr(at, end - at), nullptr, false);
      if (line.is_object() && line.value("event", "") == name) found.push_back(line);
    }
    return found;
  }
  // Once there are so many; throws when that takes too long.
  std::vector<nlohmann::json> await(std::string_view name, std::size_t count = 1) const {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);;) {
      auto found = events(name);
      if (found.size() >= count) return found;
      if (std::chrono::steady_clock::now() > end) throw std::runtime_error("no " + std::string(name));
      std::this_thread::yield();
    }
  }

 private:
  std::filesystem::path path() const { return folder_.path() / "log"; }

  const TemporaryFolder folder_;
  const int before_;
};

}  // namespace troupe::actors::edge
