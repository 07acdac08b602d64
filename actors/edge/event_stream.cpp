#include "actors/edge/event_stream.hpp"

#include <algorithm>

#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {
namespace {

void append_event(const std::string& data, std::string& out) {
  out.append("data: ").append(data).append("\n\n");
}

}  // namespace

EventStream::EventStream(Answer& answer, std::size_t choices, bool include_usage)
    : answer_(answer), finished_(choices), include_usage_(include_usage) {}

void EventStream::delta(const runtime::Delta& delta, std::string& out) {
  CHECK(!done_ && !finished_.at(delta.choice), "a choice ends once");
  finished_[delta.choice] = delta.ends();
  std::optional<Json> chunk = answer_.chunk(delta);
  if (!chunk) return;
  if (include_usage_) (*chunk)["usage"] = nullptr;  // so that clients may look at it in every chunk
  append_event(dump(*chunk), out);
}

void EventStream::end(const runtime::Usage& usage, std::string& out) {
  CHECK(std::ranges::all_of(finished_, [](bool each) { return each; }), "every choice has ended");
  if (include_usage_) append_event(dump(answer_.usage_chunk(usage)), out);
  done(out);
}

void EventStream::failure(const Refusal& refusal, std::string& out) {
  append_event(dump(error_object(refusal)), out);
  done(out);
}

void EventStream::done(std::string& out) {
  CHECK(!done_, "a stream ends once");
  done_ = true;
  append_event("[DONE]", out);
}

}  // namespace troupe::actors::edge
