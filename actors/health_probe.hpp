// Asks its own server for one token every now and then, as a client would: what no counter shows to be broken, this does.
// Owned by the replica; its thread is its own.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "actors/service.hpp"

namespace troupe::actors {

class HealthProbe {
 public:
  struct Times {
    std::chrono::milliseconds between{};
    // For a probe's answer. A queue may be longer than that: as long as steps are committed, it is waited for.
    std::chrono::milliseconds patience{};
  };
  HealthProbe(Service& service, Times times);  // service outlives it
  ~HealthProbe();

  bool failed() const { return failed_; }  // the last one; any thread

 private:
  void run(const std::stop_token& over);
  bool ask(const std::stop_token& over);  // whether the server is well, as far as that was found out

  Service& service_;
  const Times times_;
  std::atomic<bool> failed_ = false;
  std::jthread thread_;
};

}  // namespace troupe::actors
