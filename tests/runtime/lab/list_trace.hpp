// A trace that a test writes down.
#pragma once

#include <deque>

#include "runtime/lab/trace.hpp"

namespace troupe::runtime::lab {

class ListTrace final : public Trace {
 public:
  explicit ListTrace(std::deque<TraceRequest> requests) : requests_(std::move(requests)) {}
  std::optional<TraceRequest> next() override {
    if (requests_.empty()) return std::nullopt;
    TraceRequest first = std::move(requests_.front());
    requests_.pop_front();
    return first;
  }

 private:
  std::deque<TraceRequest> requests_;
};

// Of a content of its own.
inline TraceRequest request_of(std::uint64_t number, double arrives, std::int32_t prompt, std::int32_t output,
                               std::uint64_t caller = 0) {
  return {.arrives = arrives,
          .prompt = {{2 * number, prompt}},
          .output_tokens = output,
          .answer = 2 * number + 1,
          .caller = caller};
}

}  // namespace troupe::runtime::lab
