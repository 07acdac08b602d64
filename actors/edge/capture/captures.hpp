// The text of single requests, each ordered by an operator who names its id before it comes; written encrypted, and only
// where the server was started with a folder for it. Thread-safe.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "actors/edge/json_body.hpp"
#include "actors/link/pem.hpp"
#include "actors/service.hpp"
#include "config/edge_settings.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/job_queue.hpp"

namespace troupe::actors::edge {

constexpr std::size_t most_orders = 64;                // that wait for their request
constexpr std::size_t most_captured_bytes = 16 << 20;  // of an answer; the rest is left out
constexpr std::size_t most_unwritten = 16;             // that wait for the disk; more are lost, and logged
constexpr std::chrono::seconds longest_order{24 * 3600};

// One request that is captured. Thread-safe.
class Capture {
 public:
  Capture(std::filesystem::path file, std::shared_ptr<const Certificate> reader,
          const std::shared_ptr<JobQueue>& writer, std::string request_id);

  void asked(std::string_view route, std::string_view caller, std::string_view body);
  // What the model writes on its way to the generation's reader.
  std::shared_ptr<GenerationSink> listen(std::shared_ptr<GenerationSink> reader,
                                         std::shared_ptr<Capture> self);
  void wrote(const runtime::Delta& delta);
  // Once, by who has it last: the session of what is not computed, else the answer, which may outlive its client. The file is there
  // some time later; one that cannot be written is a line in the log. whole: the answer was not cut short.
  void write(int status, bool whole = true) noexcept;

 private:
  const std::filesystem::path file_;
  const std::shared_ptr<const Certificate> reader_;
  const std::weak_ptr<JobQueue> writer_;
  std::mutex mutex_;  // guards all below
  Json text_;
  std::map<std::int32_t, std::string> content_, reasoning_, calls_;  // by choice
  std::size_t bytes_ = 0;                                            // of those
};

// Its end waits until all that were told to be written are.
class Captures {
 public:
  // Throws Error for a folder that is none, and a certificate that nothing can be encrypted for.
  explicit Captures(const config::CaptureSettings& settings);

  // From now on for that long, the next request of this id. Gives the file's name. Refused where the server captures nothing, and where
  // too many wait.
  Expected<std::string> order(const std::string& request_id, std::chrono::seconds time, TimePoint now);
  // Null, unless it was ordered. Once.
  std::shared_ptr<Capture> begin(const std::string& request_id, TimePoint now);

 private:
  const std::filesystem::path folder_;
  std::shared_ptr<const Certificate> reader_;  // null: nothing is captured
  std::shared_ptr<JobQueue> writer_;           // likewise; no connection waits for a disk
  std::mutex mutex_;                           // guards the next
  std::map<std::string, TimePoint> orders_;    // until when, by request id
};

}  // namespace troupe::actors::edge
