#include "actors/edge/callers/metered_sink.hpp"

namespace troupe::actors::edge {

std::string failure_code(const Refusal& refusal) {
  return refusal.code.empty() ? "error" : refusal.code;
}

Expected<void> MeteredSink::on_counted(std::int64_t prompt_tokens, std::int64_t most_output_tokens) {
  const std::lock_guard lock(mutex_);
  record_.usage.prompt_tokens = prompt_tokens;
  return ticket_ ? ticket_->charge(prompt_tokens + most_output_tokens, !named_tokens_, now())
                 : Expected<void>();
}

void MeteredSink::on_accepted(runtime::Usage usage) {
  {
    const std::lock_guard lock(mutex_);
    record_.usage = usage;
    record_.accepted = now();
  }
  reader_->on_accepted(usage);
}

void MeteredSink::on_delta(runtime::Delta delta) {
  {
    const std::lock_guard lock(mutex_);
    if (!record_.first) record_.first = now();
    record_.usage.completion_tokens += std::ssize(delta.token_ids);
    if (delta.ends()) (record_.finish += record_.finish.empty() ? "" : ",") += to_string(delta.finish);
  }
  reader_->on_delta(std::move(delta));
}

void MeteredSink::on_end(runtime::Usage usage) {
  {
    const std::lock_guard lock(mutex_);
    record_.usage = usage;
    settle(usage.prompt_tokens + usage.completion_tokens);
  }
  reader_->on_end(usage);
}

void MeteredSink::on_failure(Refusal refusal) {
  {
    const std::lock_guard lock(mutex_);
    record_.failure = failure_code(refusal);
    settle_what_came();
  }
  reader_->on_failure(std::move(refusal));
}

GenerationRecord MeteredSink::leave() {
  const std::lock_guard lock(mutex_);
  settle_what_came();
  ticket_.reset();
  return record_;
}

GenerationRecord MeteredSink::record() {
  const std::lock_guard lock(mutex_);
  return record_;
}

// What was never begun costs nothing.
void MeteredSink::settle_what_came() {
  settle(record_.accepted ? record_.usage.prompt_tokens + record_.usage.completion_tokens : 0);
}

void MeteredSink::settle(std::int64_t tokens) {
  if (ticket_) ticket_->settle(tokens, now());
}

}  // namespace troupe::actors::edge
