// What is enqueued on an emulated GPU and has not run. Guarded by its device.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "kernels/cuda/device_calls.hpp"
#include "tests/kernels/cuda/emulated/block.hpp"

namespace troupe::kernels::cuda {

// Records of an event, which happen in order.
struct EventHandle {
  std::uint64_t enqueued = 0, happened = 0;
};

struct StreamHandle {
  struct Work {
    std::function<emulated::Fault()> run;
    std::function<bool()> ready = {};  // whether what it waits for has happened; empty: it waits for nothing
    bool of_others = false;            // that is work of other devices
  };
  std::deque<Work> work;
  std::mt19937 random;  // of the orders of its kernels' threads
};

namespace emulated {

// Streams of one device, of which any that can go on may be the next.
class Streams {
 public:
  explicit Streams(std::uint32_t seed) : random_(seed) {}

  Stream create();
  bool known(Stream stream) const;
  void destroy(Stream stream);
  void record(Event event, Stream stream);
  bool wait_for_others() const;
  // Runs one piece of work of a random stream; false: there is none that can run, or it failed.
  bool step(Fault& fault);
  std::uint32_t random() { return random_(); }

 private:
  std::mt19937 random_;
  std::vector<std::unique_ptr<StreamHandle>> streams_;
};

}  // namespace emulated
}  // namespace troupe::kernels::cuda
