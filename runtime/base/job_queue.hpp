// A bounded queue of jobs with threads of its own, for work that takes long and that nobody must wait for:
// who adds a job goes on, and hears of its end from the job itself. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <tl/expected.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe {

class JobQueue {
 public:
  using Job = std::function<void()>;  // throws nothing

  // One job's place in the queue, which outlives it. Destroyed before the job has begun, it takes the job back.
  class Ticket {
   public:
    Ticket(Ticket&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)), number_(other.number_) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (queue_) queue_->take_back(number_);
    }

   private:
    friend class JobQueue;
    Ticket(JobQueue* queue, std::uint64_t number) : queue_(queue), number_(number) {}

    JobQueue* queue_;
    std::uint64_t number_;
  };

  // What is full.
  enum class Full : std::uint8_t {
    queue,
    share,  // of the caller
  };

  // limit, share: of jobs that wait for a thread, of all and of one caller; share 0: as many as of all. Throws Error when
  // the system refuses a thread. Its end waits for all jobs that were not taken back.
  JobQueue(int threads, std::size_t limit, std::size_t share = 0);
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // Jobs begin in the order in which they came. caller: a number for whose it is.
  tl::expected<Ticket, Full> add(Job job, std::uint64_t caller = 0);
  tl::expected<void, Full> post(Job job, std::uint64_t caller = 0);  // nobody can take it back
  std::size_t limit() const { return limit_; }
  std::size_t share() const { return share_; }

 private:
  struct Waiting {
    Job job;
    std::uint64_t caller;
  };
  using Queue = std::map<std::uint64_t, Waiting>;  // by number, which only grows

  tl::expected<std::uint64_t, Full> enter(Job job, std::uint64_t caller);  // its number
  void take_back(std::uint64_t number);
  Queue::node_type take(Queue::iterator place);  // the lock is held
  void serve(std::stop_token stop);              // a thread's life

  const std::size_t limit_, share_;
  std::mutex mutex_;                  // guards what follows
  std::condition_variable_any came_;  // a job
  Queue waiting_;
  std::unordered_map<std::uint64_t, std::size_t> of_caller_;  // how many of them, where there are some
  std::uint64_t last_ = 0;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace troupe
