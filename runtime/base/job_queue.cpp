#include "runtime/base/job_queue.hpp"

#include <string>
#include <system_error>

#include "runtime/base/error.hpp"

namespace troupe {

JobQueue::JobQueue(int threads, std::size_t limit) : limit_(limit) {
  CHECK(threads >= 1 && limit >= 1, "a queue moves on, and something can wait in it");
  try {
    while (int(threads_.size()) < threads)
      threads_.emplace_back([this](std::stop_token stop) { serve(std::move(stop)); });
  } catch (const std::system_error& refused) {
    throw Error("cannot start thread " + std::to_string(threads_.size() + 1) + " of " +
                    std::to_string(threads) + ": " + refused.what(),
                "job queue", "ask for fewer threads or raise the process limit");
  }
}

std::uint64_t JobQueue::enter(Job job) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= limit_) return 0;
  waiting_.emplace(++last_, std::move(job));
  came_.notify_one();
  return last_;
}

std::optional<JobQueue::Ticket> JobQueue::add(Job job) {
  const std::uint64_t number = enter(std::move(job));
  return number > 0 ? std::optional(Ticket(this, number)) : std::nullopt;
}

bool JobQueue::post(Job job) {
  return enter(std::move(job)) > 0;
}

void JobQueue::take_back(std::uint64_t number) {
  decltype(waiting_)::node_type dropped;  // what a job holds goes without the lock
  const std::lock_guard lock(mutex_);
  dropped = waiting_.extract(number);
}

void JobQueue::serve(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (came_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    auto next = waiting_.extract(waiting_.begin());
    lock.unlock();
    next.mapped()();
    next = {};
    lock.lock();
  }
}

}  // namespace troupe
