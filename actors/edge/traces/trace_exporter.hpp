// Sends spans to a collector of OpenTelemetry, with a thread of its own. What the collector does not take is dropped, and
// logged once until it takes some again; no request ever waits for it. Any thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "actors/edge/asio.hpp"
#include "actors/edge/traces/span.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors::edge {

class TraceExporter {
 public:
  static constexpr std::size_t most_waiting = 8192;  // spans; more are dropped
  static constexpr std::size_t most_sent = 512;      // at a time
  static constexpr std::chrono::seconds timeout{5};  // of the collector's answer

  struct Collector {
    std::string host;  // a name or an address, that of IPv6 without its brackets
    std::string port, path;
  };
  // endpoint: "http://HOST[:PORT][/PATH]", the port 4318 and the path /v1/traces by default. Throws Error for any other text.
  static Collector collector_of(const std::string& endpoint);

  // version: of the program. Throws as collector_of.
  TraceExporter(const std::string& endpoint, std::string version);
  ~TraceExporter();  // sends what waits, for no longer than the timeout
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  void add(std::vector<Span> spans);

 private:
  using Addresses = net::ip::tcp::resolver::results_type;

  void run();
  bool send(const std::string& body, TimePoint until);  // whether it was taken
  void log_dropped();                                   // the lock is held

  const Collector collector_;
  const std::string version_;
  std::optional<Addresses> addresses_;  // of the collector, while it answers there; the exporter's thread's
  std::mutex mutex_;                    // guards what follows
  std::condition_variable changed_;
  std::vector<Span> waiting_;
  bool stopping_ = false;
  TimePoint stops_at_{};     // at the latest, once it is stopping
  std::size_t dropped_ = 0;  // since the log was told
  std::thread thread_;
};

}  // namespace troupe::actors::edge
