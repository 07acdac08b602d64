// Gloo's own collectives, to measure ours against.
#pragma once

#include <memory>
#include <string>

namespace troupe::bench {

class GlooPeer {
 public:
  // Meets the other ranks through files in the folder, over loopback.
  GlooPeer(int rank, int size, const std::string& folder);
  ~GlooPeer();

  void all_reduce(float* x, std::size_t count);
  // all: [size, count].
  void all_gather(float* mine, std::size_t count, float* all);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace troupe::bench
