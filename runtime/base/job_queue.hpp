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

  // limit: of jobs that wait for a thread. Throws Error when the system refuses a thread. Its end waits for jobs
  // that have begun.
  JobQueue(int threads, std::size_t limit);
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  // Jobs begin in the order in which they came. Nothing: the limit is reached.
  std::optional<Ticket> add(Job job);
  bool post(Job job);  // the same, but nobody can take it back; false: the limit is reached
  std::size_t limit() const { return limit_; }

 private:
  std::uint64_t enter(Job job);  // its number; 0: the limit is reached
  void take_back(std::uint64_t number);
  void serve(std::stop_token stop);  // a thread's life

  const std::size_t limit_;
  std::mutex mutex_;                      // guards what follows
  std::condition_variable_any came_;      // a job
  std::map<std::uint64_t, Job> waiting_;  // by number, which only grows
  std::uint64_t last_ = 0;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace troupe
