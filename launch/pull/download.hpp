// Brings files from a server, in parts over several connections, and puts each in its place once its hash is right.
// One owner; threads of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "launch/pull/hub.hpp"
#include "launch/pull/listing.hpp"
#include "launch/pull/partial_files.hpp"
#include "launch/pull/patience.hpp"

namespace troupe::launch::pull {

struct DownloadOptions {
  std::int32_t connections = 8;
  Retries retries;
  Duration silence = std::chrono::seconds(30);  // of a connection, before it is given up
  // One at a time, on any thread: a line for whoever watches; bytes that are here, and all.
  std::function<void(const std::string& line)> tell = [](const std::string&) {};
  std::function<void(std::uint64_t done, std::uint64_t all)> progress = [](std::uint64_t, std::uint64_t) {};
};

class Download {
 public:
  static constexpr std::uint64_t longest_span =
      64 * PartialFiles::block_bytes;   // that is asked for at a time
  static constexpr int most_tries = 2;  // of a file whose hash is wrong

  // All outlive this. target: a file's at the hub, by its name.
  Download(const Hub& hub, PartialFiles& partial, const std::filesystem::path& folder,
           const DownloadOptions& options, std::function<std::string(const std::string& name)> target);
  ~Download();

  // Returns their SHA-256, in the order of the files. Throws Error; what has come by then is kept.
  std::vector<std::string> run(const std::vector<RemoteFile>& files);

 private:
  struct File {
    RemoteFile remote;
    std::string key;              // among the partial files
    std::filesystem::path place;  // where it goes
    std::string sha256 = {};      // empty until it is there
    std::size_t spans = 0;        // that have not come
    int tries = 0;
  };
  struct Span {
    std::size_t file = 0;
    std::uint64_t begin = 0, end = 0;  // begins with a block
  };

  void look_what_is_there();
  bool is_there(File& file);
  void plan();
  void plan(std::size_t file, std::uint64_t span_bytes);
  std::uint64_t missing_of(const File& file) const;
  void check_room(std::uint64_t missing) const;
  void work(HttpClient& client);
  std::optional<Span> take();
  void fetch(HttpClient& client, Span span);
  void take_bytes(const FileDescriptor& out, Span& span, std::string_view bytes);
  void come(std::size_t file);
  void finish(std::size_t file);
  void begin_again(std::size_t file, const std::string& found);
  void wait(Duration delay, const std::string& why);
  void count(std::int64_t bytes);
  void fail(std::exception_ptr failure);

  const Hub& hub_;
  PartialFiles& partial_;
  const std::filesystem::path folder_;
  const DownloadOptions& options_;
  const std::function<std::string(const std::string& name)> target_;

  std::vector<File> files_;  // of one: who fetches or hashes it, but for `spans`
  std::vector<std::unique_ptr<HttpClient>> clients_;

  std::mutex mutex_;  // guards the rest
  std::condition_variable changed_;
  std::deque<Span> spans_;
  int busy_ = 0;
  std::exception_ptr failure_;
  std::uint64_t done_ = 0, all_ = 0;  // bytes
};

}  // namespace troupe::launch::pull
