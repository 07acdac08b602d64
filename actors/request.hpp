// A request owns its prompt and every token produced for it, so that it can replay itself: the scheduler
// forgets sequences, requests do not. Renders and tokenizes when it is born, on the actor system's threads.
#pragma once

#include <atomic>

#include "actors/handles.hpp"
#include "actors/metrics.hpp"
#include "actors/service.hpp"
#include "model/text_model.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/choice_output.hpp"

namespace troupe::actors {

// What all requests of a replica share.
struct RequestContext {
  std::shared_ptr<const model::TextModel> text;
  SchedulerHandle scheduler;
  std::shared_ptr<Metrics> metrics;
  std::int32_t max_model_len = 0;
  bool parse_reasoning = true, parse_tool_calls = true;
  std::atomic<SequenceId> next_sequence{1};
};

// Passes a request's news on until its one terminal event; later ones are dropped. Shared by the request and
// whoever watches it die.
class TerminalOnce {
 public:
  explicit TerminalOnce(std::shared_ptr<GenerationSink> sink) : sink_(std::move(sink)) {}
  void delta(Delta delta) { sink_->on_delta(std::move(delta)); }
  bool end(const Usage& usage) { return first() && (sink_->on_end(usage), true); }
  bool fail(const Refusal& refusal) { return first() && (sink_->on_failure(refusal), true); }
  bool close() { return first(); }  // the client left: nobody is told

 private:
  bool first() { return !over_.exchange(true); }
  std::shared_ptr<GenerationSink> sink_;
  std::atomic<bool> over_ = false;
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
  std::shared_ptr<TerminalOnce> sink;
  std::vector<Choice> choices;
  Usage usage;
  std::int32_t credit = 0;
  std::size_t unfinished = 0;
  TimePoint arrival;
};

RequestHandle::behavior_type request(RequestHandle::stateful_pointer<RequestState> self,
                                     GenerationRequest request, std::shared_ptr<RequestContext> context,
                                     std::shared_ptr<TerminalOnce> sink);

}  // namespace troupe::actors
