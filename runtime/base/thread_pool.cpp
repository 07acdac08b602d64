#include "runtime/base/thread_pool.hpp"

#include <sched.h>

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "runtime/base/error.hpp"

namespace troupe {
namespace {

// About 20 microseconds: longer than the gap between two operations of a step, too short to matter when idle.
constexpr int spins = 1000;

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns once value differs from old, whose writer notifies.
void await_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  for (int i = 0; i < spins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    relax();
  }
  value.wait(old, std::memory_order_acquire);
}

}  // namespace

int usable_cpus() {
  cpu_set_t allowed;
  CHECK(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
  return std::max(1, CPU_COUNT(&allowed));
}

ThreadPool::ThreadPool(int threads, TickBoard* ticks) : ticks_(ticks) {
  CHECK(threads >= 1, "a pool has at least its caller");
  workers_.reserve(std::size_t(threads - 1));
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { serve(); });
  } catch (const std::system_error& refused) {
    stop();
    throw Error("cannot start thread " + std::to_string(workers_.size() + 1) + " of " +
                    std::to_string(threads) + ": " + refused.what(),
                "thread pool", "ask for fewer threads or raise the process limit");
  }
}

ThreadPool::~ThreadPool() {
  stop();
}

void ThreadPool::stop() {
  stopping_.store(true);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(const Loop& loop) {
  CHECK(loop.grain >= 1, "a grain has at least one index");
  if (loop.count <= 0) return;
  if (workers_.empty() || loop.count <= loop.grain) {
    for (std::int64_t begin = 0; begin < loop.count; begin += loop.grain) call(loop, begin);
    return;
  }
  CHECK(busy_.load() == 0, "a task called the pool that runs it");
  loop_ = loop;
  next_.store(0, std::memory_order_relaxed);
  busy_.store(std::uint32_t(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  work();
  for (std::uint32_t left; (left = busy_.load(std::memory_order_acquire)) != 0;) await_change(busy_, left);
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::call(const Loop& loop, std::int64_t begin) {
  loop.call(loop.context, begin, std::min(begin + loop.grain, loop.count));
  piece_done();
}

void ThreadPool::work() {
  while (true) {
    const std::int64_t begin = next_.fetch_add(loop_.grain, std::memory_order_relaxed);
    if (begin >= loop_.count) return;
    try {
      call(loop_, begin);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_.store(loop_.count, std::memory_order_relaxed);
    }
  }
}

void ThreadPool::serve() noexcept {
  for (std::uint32_t seen = 0;; ++seen) {
    await_change(generation_, seen);
    if (stopping_.load()) return;
    work();
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

}  // namespace troupe
