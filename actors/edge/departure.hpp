// The server's leaving: once it has begun, no generation is begun any more, and those in progress are waited for. Shared by
// the server and its sessions. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

class Departure {
 public:
  // when_begun: called by begin(), on its thread; it does not call back.
  explicit Departure(std::function<void()> when_begun) : when_begun_(std::move(when_begun)) {}

  // Both are idempotent.
  void begin();
  void begin_for_good();
  void call_off();  // generations are begun again, unless it was for good
  bool begun() const;

  // An answer that is waited for while this lives, which is no longer than the departure; null: the server is leaving.
  struct Leave {
    void operator()(Departure* from) const { from->left(); }
  };
  using Pass = std::unique_ptr<Departure, Leave>;
  Pass admit();
  std::size_t in_progress() const;

  // Until nothing is in progress (true), or there is no patience left, or somebody hastens.
  bool wait(std::chrono::milliseconds patience);
  void hasten();  // nobody is waited for any more
  bool hastened() const;

 private:
  void left();

  const std::function<void()> when_begun_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::size_t in_progress_ = 0;
  bool begun_ = false, for_good_ = false, hastened_ = false;
};

// What is told to whoever comes while the server is leaving.
Refusal leaving();

}  // namespace troupe::actors::edge
