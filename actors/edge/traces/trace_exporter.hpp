// Sends spans to a collector of OpenTelemetry, with a thread of its own. What the collector does not take is dropped and
// logged; no request ever waits for it. Any thread.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "actors/edge/traces/span.hpp"

namespace troupe::actors::edge {

class TraceExporter {
 public:
  static constexpr std::size_t most_waiting = 8192;  // spans; more are dropped
  static constexpr std::size_t most_sent = 512;      // at a time
  static constexpr std::chrono::seconds timeout{5};  // of the collector's answer

  // endpoint: "http://HOST[:PORT][/PATH]", the port 4318 and the path /v1/traces by default. version: of the program.
  // Throws Error for any other text.
  TraceExporter(const std::string& endpoint, std::string version);
  ~TraceExporter();  // sends what waits, for no longer than the timeout
  TraceExporter(const TraceExporter&) = delete;
  TraceExporter& operator=(const TraceExporter&) = delete;

  void add(std::vector<Span> spans);

 private:
  struct Collector {
    std::string host, port, path;
  };
  static Collector collector_of(const std::string& endpoint);
  void run();
  bool send(const std::string& body) const;  // whether it was taken

  const Collector collector_;
  const std::string version_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<Span> waiting_;
  bool stopping_ = false;
  std::size_t dropped_ = 0;  // since the log was told
  std::thread thread_;
};

}  // namespace troupe::actors::edge
