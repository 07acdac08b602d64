// A request: glue between a runtime::Generation and the actors. It has its prompts rendered and tokenized on
// threads that are not the actor system's, speaks for the generation to the scheduler of the day and to the
// reader, and ends with it.
#pragma once

#include <atomic>
#include <future>
#include <mutex>

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "actors/service.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/job_queue.hpp"
#include "runtime/generation/generation.hpp"

namespace troupe::actors {

// What all requests of a replica share; set before the first is born, but for the counters. Thread-safe.
struct RequestContext {
  std::shared_ptr<const model::TextModel> text;
  std::shared_ptr<Metrics> metrics;
  runtime::GenerationRules rules;
  JobQueue* tokenizing = nullptr;  // outlives all requests; rendering, too, happens there
  JobQueue* compiling = nullptr;   // likewise; of grammars, which may take long
  std::atomic<SequenceId> next_sequence{1};
  std::atomic<std::int64_t> generations{0};  // that somebody holds
};

Refusal too_much_to_tokenize(const JobQueue& queue, JobQueue::Full full);

// Passes a request's news on, one call at a time, until its one terminal event; later ones are dropped.
// Shared by the request and its supervisor. Thread-safe.
class TerminalOnce {
 public:
  explicit TerminalOnce(std::shared_ptr<GenerationSink> sink) : sink_(std::move(sink)) {}

  Expected<void> counted(std::int64_t prompt_tokens, std::int64_t most_output_tokens) {
    const std::lock_guard lock(mutex_);
    return over_ ? Expected<void>() : sink_->on_counted(prompt_tokens, most_output_tokens);
  }
  void accepted(const runtime::Usage& usage) {
    const std::lock_guard lock(mutex_);
    if (!over_) sink_->on_accepted(usage);
  }
  void delta(runtime::Delta delta) {
    const std::lock_guard lock(mutex_);
    if (!over_) sink_->on_delta(std::move(delta));
  }
  // True for the first of these three.
  bool end(const runtime::Usage& usage) {
    return first([&] { sink_->on_end(usage); });
  }
  bool fail(const Refusal& refusal) {
    return first([&] { sink_->on_failure(refusal); });
  }
  bool close() {  // the client left: nobody is told
    return first([] {});
  }

 private:
  template <class Tell>
  bool first(Tell tell) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(over_, true)) return false;
    tell();
    return true;
  }

  std::mutex mutex_;
  std::shared_ptr<GenerationSink> sink_;
  bool over_ = false;
};

struct RequestState {
  static inline const char* name = "request";

  // What comes back from tokenizing, and from compiling.
  struct Prepared {
    runtime::GenerationRequest request;
    Expected<std::vector<runtime::NewChoice>> choices;
    bool compiled = false;  // their grammars are
  };

  std::string id;
  std::uint64_t caller = 0;  // a number for it
  std::size_t choices = 0;
  std::shared_ptr<RequestContext> context;
  std::shared_ptr<TerminalOnce> sink;
  TimePoint arrival;
  SchedulerHandle scheduler;  // unset until the supervisor has told of one

  // Until it is prepared. A request that ends before gives its place in the queue up.
  std::optional<JobQueue::Ticket> place;
  std::future<Prepared> prepared;
  std::int64_t early_credit = 0;

  // From then on.
  std::unique_ptr<runtime::GenerationOutlet> outlet;
  std::optional<runtime::Generation> generation;
  const char* outcome = "abort";  // for the log: what the outlet was told of the end, if it was
};

RequestHandle::behavior_type request(RequestHandle::stateful_pointer<RequestState> self,
                                     runtime::GenerationRequest request,
                                     std::shared_ptr<RequestContext> context,
                                     std::shared_ptr<TerminalOnce> sink);

}  // namespace troupe::actors
