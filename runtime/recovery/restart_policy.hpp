// When a part that died may be started again: exponential backoff, and a limit on deaths in a row without
// progress. Owned by one supervisor; no clock of its own.
#pragma once

#include <chrono>
#include <optional>

namespace troupe::runtime {

class RestartPolicy {
 public:
  struct Limits {
    int max_consecutive_restarts = 5;  // with no committed step between them
    std::chrono::milliseconds first_delay{0};
    std::chrono::milliseconds second_delay{50};  // doubles from here
    std::chrono::milliseconds longest_delay{5000};
  };

  explicit RestartPolicy(Limits limits) : limits_(limits) {}

  // A death. made_progress: a step was committed since the last one. Empty: give up; otherwise how long to
  // wait.
  std::optional<std::chrono::milliseconds> on_death(bool made_progress);

 private:
  Limits limits_;
  int consecutive_ = 0;
};

}  // namespace troupe::runtime
