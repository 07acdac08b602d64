#include "runtime/lab/recorded_trace.hpp"

#include <algorithm>

namespace troupe::runtime::lab {

// Of outputs that came after a cancellation, or twice, nobody knows here; those are few.
RecordedTrace::RecordedTrace(const RecordedSchedule& schedule)
    : schedule_(schedule), words_(schedule.events) {
  for (const RecordedEvent& event : schedule.events) {
    if (const auto* submitted = std::get_if<RecordedSubmission>(&event.what);
        submitted && submitted->accepted) {
      Answered& answered = answered_[submitted->sequence];
      answered.prompt_tokens = submitted->prompt_tokens;
      answered.output_tokens = submitted->tokens - submitted->prompt_tokens;
    }
    if (const auto* result = std::get_if<RecordedResult>(&event.what))
      for (const RecordedOutput& output : result->outputs)
        if (const auto found = answered_.find(output.sequence); found != answered_.end())
          found->second.output_tokens +=
              output.end == RecordedEnd::none ? output.sampled : output.before_end + 1;
  }
}

std::optional<TraceRequest> RecordedTrace::next() {
  while (at_ < schedule_.events.size()) {
    const RecordedEvent& event = schedule_.events[at_++];
    const auto* submitted = std::get_if<RecordedSubmission>(&event.what);
    if (!submitted || !submitted->accepted || submitted->resubmitted || submitted->prompt_tokens < 1)
      continue;
    if (answered_.at(submitted->sequence).output_tokens > 0) return request_of(*submitted, event.time);
  }
  return std::nullopt;
}

TraceRequest RecordedTrace::request_of(const RecordedSubmission& submitted, std::int64_t time) const {
  TraceRequest request;
  request.arrives = std::max(0.0, double(time) * 1e-9);
  for (std::int32_t begin = 0; begin < submitted.prompt_tokens; begin += words_.block_size())
    request.prompt.push_back({words_.content(submitted.sequence, begin / words_.block_size()),
                              std::min(words_.block_size(), submitted.prompt_tokens - begin)});
  request.output_tokens =
      std::clamp(answered_.at(submitted.sequence).output_tokens, 1, std::max(1, submitted.max_output_tokens));
  request.answer = submitted.sequence;
  request.caller = submitted.caller;
  request.priority = submitted.priority;
  request.slo = submitted.slo;
  return request;
}

TokenId RecordedTrace::word(ContentId answer, std::uint64_t position) const {
  const auto found = answered_.find(answer);
  const std::int32_t prompt = found == answered_.end() ? 0 : found->second.prompt_tokens;
  return words_.at(answer, prompt + std::int32_t(position));
}

}  // namespace troupe::runtime::lab
