// Runs a batch: so many of its lines at a time are asked of a service, and what is answered is written. A line that the
// service has no room for waits for its turn and is asked again; one whose time is up is answered with that. Belongs to the thread that calls run().
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "actors/edge/delta_feed.hpp"
#include "launch/batch/batch_input.hpp"
#include "launch/batch/batch_line.hpp"
#include "launch/batch/batch_output.hpp"

namespace troupe::launch::batch {

struct BatchLimits {
  std::size_t max_concurrency = 1;   // lines at a time
  std::int32_t buffered_deltas = 1;  // parts of an answer that wait to be collected
  config::RequestLimits request;
  TimeLimits times;                                       // of a line, each time that it is asked
  std::shared_ptr<const runtime::OutputFilter> filter{};  // that answers go through; null: none
};

class Batch {
 public:
  // service, input and output outlive this.
  Batch(actors::Service& service, BatchInput& input, BatchOutput& output, const BatchLimits& limits);
  ~Batch();  // cancels what still runs

  // Until every line has its answer in the output; written() is called after each write. Throws Error when the service
  // gives up or the output cannot be written; the batch can go on later.
  void run(const std::function<void()>& written);

 private:
  struct Exchange;
  // Where the service's threads leave the numbers of lines that have news.
  class Arrivals {
   public:
    void add(std::uint64_t line);
    std::vector<std::uint64_t> wait();  // for at least one
   private:
    std::mutex mutex_;
    std::condition_variable come_;
    std::vector<std::uint64_t> lines_;
  };

  void await_service();
  void start_more();
  std::unique_ptr<Exchange> next_exchange();  // null: every line is asked
  void start(std::unique_ptr<Exchange> exchange);
  void take_news(std::uint64_t line);
  void end(std::uint64_t line, std::string text);
  void turn_away(std::uint64_t line);
  std::string request_id(std::uint64_t line) const;

  actors::Service& service_;
  BatchInput& input_;
  BatchOutput& output_;
  const BatchLimits limits_;
  std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();
  std::map<std::uint64_t, std::unique_ptr<Exchange>> running_;  // by line
  std::deque<std::unique_ptr<Exchange>> turned_away_;           // to be asked again, first
  std::size_t allowed_;  // lines at a time, by what the service had room for lately
  std::vector<OutputLine> ended_;
};

}  // namespace troupe::launch::batch
