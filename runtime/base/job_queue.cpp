#include "runtime/base/job_queue.hpp"

#include <string>
#include <system_error>

#include "runtime/base/error.hpp"

namespace troupe {

JobQueue::JobQueue(int threads, std::size_t limit, std::size_t share)
    : limit_(limit), share_(share > 0 ? share : limit) {
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

tl::expected<std::uint64_t, JobQueue::Full> JobQueue::enter(Job job, std::uint64_t caller) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= limit_) return tl::unexpected(Full::queue);
  const auto found = of_caller_.find(caller);
  if (found != of_caller_.end() && found->second >= share_) return tl::unexpected(Full::share);
  ++of_caller_[caller];
  waiting_.emplace(++last_, Waiting{std::move(job), caller});
  came_.notify_one();
  return last_;
}

tl::expected<JobQueue::Ticket, JobQueue::Full> JobQueue::add(Job job, std::uint64_t caller) {
  return enter(std::move(job), caller).map([this](std::uint64_t number) { return Ticket(this, number); });
}

tl::expected<void, JobQueue::Full> JobQueue::post(Job job, std::uint64_t caller) {
  return enter(std::move(job), caller).map([](std::uint64_t) {});
}

void JobQueue::take_back(std::uint64_t number) {
  Queue::node_type dropped;  // what a job holds goes without the lock
  const std::lock_guard lock(mutex_);
  if (const auto found = waiting_.find(number); found != waiting_.end()) dropped = take(found);
}

JobQueue::Queue::node_type JobQueue::take(Queue::iterator place) {
  const auto of_caller = of_caller_.find(place->second.caller);
  if (--of_caller->second == 0) of_caller_.erase(of_caller);
  return waiting_.extract(place);
}

void JobQueue::serve(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (came_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    auto next = take(waiting_.begin());
    lock.unlock();
    next.mapped().job();
    next = {};
    lock.lock();
  }
}

}  // namespace troupe
