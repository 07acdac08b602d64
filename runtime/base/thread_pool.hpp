// Threads that share the work of one loop at a time. Owned and
// called by one thread; a task must not call the pool that runs it.
//
//   pool.parallel_for(rows, 16, [&](std::int64_t begin, std::int64_t end) { ... });
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "runtime/base/ticks.hpp"

namespace troupe {

// CPUs that this process may run on at a time; at least 1.
int usable_cpus();

class ThreadPool {
 public:
  // threads: the caller and threads - 1 more. ticks, if not null, outlives the pool: each finished range is a
  // piece of work. Throws Error when the system refuses a thread.
  explicit ThreadPool(int threads, TickBoard* ticks = nullptr);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return int(workers_.size()) + 1; }
  // For a task in the middle of a long range, on any thread.
  void piece_done() {
    if (ticks_) ticks_->piece_done();
  }

  // Calls task(begin, end) for ranges that cover [0, count) once, each of at most grain indices, in any order
  // and on any thread. Returns when all are done. The first exception of a task is thrown again here; ranges
  // that no thread has begun by then are skipped.
  template <class Task>
  void parallel_for(std::int64_t count, std::int64_t grain, Task&& task) {
    using Plain = std::remove_reference_t<Task>;
    run({.call = [](void* context, std::int64_t begin,
                    std::int64_t end) { (*static_cast<Plain*>(context))(begin, end); },
         .context = const_cast<void*>(static_cast<const void*>(&task)),
         .count = count,
         .grain = grain});
  }

 private:
  struct Loop {
    void (*call)(void* context, std::int64_t begin, std::int64_t end) = nullptr;
    void* context = nullptr;
    std::int64_t count = 0;
    std::int64_t grain = 1;
  };

  void run(const Loop& loop);
  void call(const Loop& loop, std::int64_t begin);  // of one range
  void work();                                      // takes ranges of loop_ until none is left
  void serve() noexcept;                            // a worker's life
  void stop();

  TickBoard* const ticks_;
  std::vector<std::thread> workers_;
  Loop loop_;                                 // written before generation_ is raised
  std::atomic<std::uint32_t> generation_{0};  // raised once a loop, and once more to stop
  std::atomic<std::int64_t> next_{0};         // first index that nobody has taken
  std::atomic<std::uint32_t> busy_{0};        // workers that have not finished the loop
  std::atomic<bool> stopping_{false};
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace troupe
