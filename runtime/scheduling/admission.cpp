#include "runtime/scheduling/admission.hpp"

#include <string>

#include "runtime/base/retry_after.hpp"

namespace troupe::runtime {
namespace {

// Whether a newcomer of that length is one too many. A long one may wait alone.
bool too_many(const Backlog& load, std::int64_t length, std::int32_t sequences, std::int32_t tokens) {
  return load.sequences >= sequences || (load.sequences > 0 && load.tokens + length > tokens);
}

std::string told(const Backlog& load, std::int32_t sequences, std::int32_t tokens) {
  return std::to_string(load.sequences) + " sequences of " + std::to_string(load.tokens) +
         " tokens wait, and at most " + std::to_string(sequences) + " of " + std::to_string(tokens) + " may";
}

tl::unexpected<Refusal> refused(RefusalKind kind, std::string message, const char* code, std::int32_t retry) {
  return tl::unexpected<Refusal>({kind, std::move(message), {}, code, retry});
}

}  // namespace

std::int32_t retry_after(const DrainRate& rate, std::int64_t tokens) {
  const auto time = rate.time_for(tokens);
  return time ? troupe::retry_after(*time) : 0;
}

Refusal unreachable_deadline(Duration wait, Duration late) {
  return {RefusalKind::unavailable,
          "the request would wait for about " + std::to_string(troupe::retry_after(wait)) +
              " s, and its time is up before that",
          {},
          deadline_code,
          troupe::retry_after(late)};
}

Refusal too_late(std::int32_t retry_after) {
  return {
      RefusalKind::unavailable,
      "the requests before this one took longer than expected, and it can have no token any more before its time is up",
      {},
      deadline_code,
      retry_after};
}

Expected<void> admit(const Submission& newcomer, const Waiting& waiting, const SchedulerLimits& limits,
                     const DrainRate& rate, TimePoint now) {
  const auto length = std::int64_t(newcomer.tokens.size());
  if (too_many(waiting.all, length, limits.max_waiting, limits.max_waiting_tokens))
    return refused(RefusalKind::unavailable,
                   "the queue is full: " + told(waiting.all, limits.max_waiting, limits.max_waiting_tokens),
                   "queue_full", retry_after(rate, waiting.all.tokens));
  const auto own = [](std::int32_t limit, std::int32_t of_all) { return limit > 0 ? limit : of_all; };
  const std::int32_t sequences = own(limits.max_waiting_per_caller, limits.max_waiting);
  const std::int32_t tokens = own(limits.max_waiting_tokens_per_caller, limits.max_waiting_tokens);
  if (too_many(waiting.of_caller, length, sequences, tokens))
    return refused(RefusalKind::rate_limited,
                   "too many of the caller's requests wait: " + told(waiting.of_caller, sequences, tokens),
                   "too_many_waiting", retry_after(rate, waiting.of_caller.tokens));
  if (newcomer.start_by == TimePoint{}) return {};
  const auto wait = rate.time_to_token_behind(waiting.ahead);
  if (!wait || now + *wait <= newcomer.start_by) return {};
  return tl::unexpected(unreachable_deadline(*wait, now + *wait - newcomer.start_by));
}

}  // namespace troupe::runtime
