// Lets a queue of one thread work only while the test waits for it, so that a run has the same order each time.
#pragma once

#include <future>
#include <latch>
#include <memory>

#include "runtime/base/job_queue.hpp"

namespace troupe::actors {

class Gate {
 public:
  // queue: of one thread, which stands still before long; outlives the gate.
  explicit Gate(JobQueue& queue) : queue_(queue), barrier_(std::make_unique<Barrier>(queue)) {}
  ~Gate() { barrier_->open.set_value(); }

  // Returns when all jobs that were in the queue are done; no other is begun. Takes a place in the queue.
  void let_through() {
    auto next = std::make_unique<Barrier>(queue_);
    barrier_->open.set_value();
    next->reached->wait();
    barrier_ = std::move(next);
  }

 private:
  // A job that the queue's thread comes to, and does not go past until it is told to.
  struct Barrier {
    explicit Barrier(JobQueue& queue)
        : place(queue
                    .add([opened = open.get_future().share(), reached = reached] {
                      reached->count_down();
                      opened.wait();
                    })
                    .value()) {}

    std::promise<void> open;
    std::shared_ptr<std::latch> reached = std::make_shared<std::latch>(1);
    JobQueue::Ticket place;
  };

  JobQueue& queue_;
  std::unique_ptr<Barrier> barrier_;
};

}  // namespace troupe::actors
