// Files of a pull that are not whole yet, and a journal of the blocks that they have and of files that are done: in a folder of
// their own below the one that is filled. A block is told once its bytes are written, so that what the journal says is true
// whenever the process is killed. A cut of the machine's power may make it say too much of files that were not done: their
// hashes will tell. Any thread, but for the constructor and remove().
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "runtime/base/file_descriptor.hpp"
#include "runtime/base/record_file.hpp"

namespace troupe::launch::pull {

class PartialFiles {
 public:
  static constexpr std::uint64_t block_bytes = 4 << 20;

  // Waits while another process fills the folder, which must be there; in_use is called first then. Throws Error.
  PartialFiles(const std::filesystem::path& folder, const std::function<void()>& in_use);

  // key: of a file, a name without slashes. What is written is in `size` bytes.
  std::set<std::uint64_t> blocks(const std::string& key,
                                 std::uint64_t size);  // numbers of those that are there
  FileDescriptor open(const std::string& key) const;   // for writing anywhere
  void add_block(const std::string& key, std::uint64_t block);
  void forget(const std::string& key);  // its bytes are wrong

  // It took its place, with this SHA-256.
  void done(const std::string& key, const std::string& sha256);
  std::optional<std::string> sha256_of_done(const std::string& key) const;

  std::filesystem::path file(const std::string& key) const { return folder_ / (key + ".partial"); }
  // Everything; nothing else may be called any more.
  void remove();

 private:
  struct State {
    std::set<std::uint64_t> blocks;
    std::string sha256;  // empty: it is not done
  };
  bool take(const std::string& record);
  void append(const std::string& record);
  void begin_anew();

  const std::filesystem::path folder_;
  mutable std::mutex mutex_;  // guards the rest
  std::map<std::string, State> states_;
  std::optional<RecordFile> journal_;
  bool headed_ = false;  // the journal has its first record
};

}  // namespace troupe::launch::pull
