// A stream of a GPU. Owned by the one thread that computes.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/cuda/staging.hpp"
#include "kernels/queue.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::kernels::cuda {

// Blocks of threads: x is the innermost.
struct Grid {
  std::int64_t x = 1, y = 1, z = 1;
  bool empty() const { return x == 0 || y == 0 || z == 0; }
};
// Of a kernel whose threads are elements.
template <class Arguments>
Grid blocks_of(std::int64_t elements) {
  return {.x = (elements + Arguments::threads - 1) / Arguments::threads};
}

class CudaQueue final : public Queue {
 public:
  // ticks: see CudaOps.
  explicit CudaQueue(std::shared_ptr<Gpu> gpu, TickBoard* ticks = nullptr);
  ~CudaQueue() override;

  // Checked: it is one.
  static CudaQueue& of(Queue& queue);

  // Throws DeviceError with what the device says and the kernels of which one failed, or that the deadline passed.
  void wait(TimePoint deadline) override;
  // Whether all that was enqueued is done; fails as wait does.
  bool done() const;

  void set(std::atomic<std::uint64_t>& to, std::uint64_t value) override;

  // Enqueues the kernel of these arguments; an empty grid is no work.
  template <class Arguments>
  void launch(const Grid& grid, const Arguments& arguments) {
    launch(arguments.kernel(), grid, Arguments::threads, &arguments);
  }
  // Enqueues copies. to of copy_out is written by the next wait: by way of page-locked memory, since with any other the
  // driver would wait until the stream has come there. from of copy_in is read at some time until wait returns.
  void copy_in(void* to, const void* from, std::size_t bytes);
  void copy_out(void* to, const void* from, std::size_t bytes);
  void copy(void* to, const void* from, std::size_t bytes);

  // For what the host brings to what is enqueued next.
  StagedBytes stage(std::size_t bytes) {
    gpu_->use();
    return staging_->take(bytes);
  }
  // Memory of the device for what is enqueued until the next call, not initialised; what is enqueued later writes
  // there only when that is done.
  void* workspace(std::size_t bytes);
  // The next wait calls it when all is done.
  void when_done(std::function<void()> finish) { finish_.push_back(std::move(finish)); }

  Stream stream() const { return stream_.get(); }
  // Who enqueues on the stream from threads of its own, as NCCL does, owns it too: it goes with its last owner.
  const std::shared_ptr<StreamHandle>& shared_stream() const { return stream_; }
  // Somebody else has enqueued this on the stream: for what errors say. The name outlives the queue.
  void note(const char* what) { enqueued_.push_back(what); }

 private:
  // See set: what the driver's thread is given.
  struct Mark {
    std::atomic<std::uint64_t>& to;
    std::uint64_t value;
    std::atomic<std::size_t>& reached;
    std::size_t before;  // how many names were enqueued before it
  };

  void launch(const char* kernel, const Grid& grid, int threads, const void* arguments);
  void enqueued(const char* what, Result result);
  [[noreturn]] void fail(Result result) const;
  // Behind the last mark that the device has reached, and before the next one.
  std::string not_known_to_be_done() const;
  // The same, for who watches over hangs.
  void tell_what_is_under_way();
  void tell_that_all_is_done();

  static constexpr std::size_t most_named = 12;

  std::shared_ptr<Gpu> gpu_;
  std::shared_ptr<StreamHandle> stream_;
  std::shared_ptr<Staging> staging_;
  std::shared_ptr<void> workspace_;
  std::size_t workspace_bytes_ = 0;
  std::vector<std::function<void()>> finish_;
  std::vector<const char*> enqueued_;    // names, since the last wait
  std::deque<Mark> marks_;               // likewise; they stay where they are
  std::atomic<std::size_t> reached_{0};  // how many are before the last mark that the device has reached
  TickBoard* const ticks_;
  std::optional<std::size_t> told_;  // reached_ when the ticks were told; unset: they say nothing
};

}  // namespace troupe::kernels::cuda
