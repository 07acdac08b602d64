// A request owns its prompt and every token produced for it, so that it can replay itself: the scheduler
// forgets sequences, requests do not. Renders and tokenizes when it is born, on the actor system's threads.
#pragma once

#include <atomic>
#include <mutex>

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "actors/service.hpp"
#include "model/text_model.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/generation/choice_output.hpp"

namespace troupe::actors {

// What all requests of a replica share. Thread-safe.
struct RequestContext {
  // Set before the first request is born.
  std::shared_ptr<const model::TextModel> text;
  std::shared_ptr<Metrics> metrics;
  std::int32_t max_model_len = 0;
  std::size_t max_choices = 1024;  // of a request: more could never wait together
  bool parse_reasoning = true, parse_tool_calls = true;
  std::atomic<SequenceId> next_sequence{1};
};

// Passes a request's news on, one call at a time, until its one terminal event; later ones are dropped.
// Shared by the request and its supervisor. Thread-safe.
class TerminalOnce {
 public:
  explicit TerminalOnce(std::shared_ptr<GenerationSink> sink) : sink_(std::move(sink)) {}

  void delta(Delta delta) {
    const std::lock_guard lock(mutex_);
    if (!over_) sink_->on_delta(std::move(delta));
  }
  // True for the first of these three.
  bool end(const Usage& usage) {
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

  struct Choice {
    runtime::Submission submission;  // tokens: the prompt and all output so far
    runtime::ChoiceOutput output;
    Delta pending;        // waits for credit
    bool paused = false;  // at the scheduler
    bool finished = false;
    TimePoint last_token;
  };

  GenerationRequest request;
  std::shared_ptr<RequestContext> context;
  SchedulerHandle scheduler;  // that knows the sequences; unset until the edge has told of one
  std::shared_ptr<TerminalOnce> sink;
  std::vector<Choice> choices;
  Usage usage;
  std::int32_t credit = 0;
  std::size_t unfinished = 0;
  std::size_t next_choice = 0;  // who gets credit first
  TimePoint arrival;
};

RequestHandle::behavior_type request(RequestHandle::stateful_pointer<RequestState> self,
                                     GenerationRequest request, std::shared_ptr<RequestContext> context,
                                     std::shared_ptr<TerminalOnce> sink);

}  // namespace troupe::actors
