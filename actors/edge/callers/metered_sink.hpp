// A generation's news on their way to its reader: what they cost is charged to the caller's ticket, and how it went is noted
// for the log.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "actors/edge/callers/ledger.hpp"
#include "actors/service.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors::edge {

// Numbers, and never text.
struct GenerationRecord {
  runtime::Usage usage;                      // as far as it is known
  std::optional<TimePoint> accepted, first;  // when its first token came
  std::string finish;                        // of its choices in the order of their ends: "stop,length"
  std::string failure;                       // the code of what it failed with
};

std::string failure_code(const Refusal& refusal);  // "error" where it has none

class MeteredSink final : public GenerationSink {
 public:
  // named_tokens: the client said how many tokens it wants at most.
  MeteredSink(std::shared_ptr<GenerationSink> reader, std::shared_ptr<Ledger::Ticket> ticket,
              bool named_tokens)
      : reader_(std::move(reader)), ticket_(std::move(ticket)), named_tokens_(named_tokens) {}

  Expected<void> on_counted(std::int64_t prompt_tokens, std::int64_t most_output_tokens) override;
  void on_accepted(runtime::Usage usage) override;
  void on_delta(runtime::Delta delta) override;
  void on_end(runtime::Usage usage) override;
  void on_failure(Refusal refusal) override;

  // The reader is done with it, at its end or before: settles what came until now, and lets go of the caller's place. Any
  // thread.
  GenerationRecord leave();
  GenerationRecord record();  // what came until now; it goes on

 private:
  // The lock is held.
  void settle_what_came();
  void settle(std::int64_t tokens);

  const std::shared_ptr<GenerationSink> reader_;
  std::mutex mutex_;  // guards all below
  std::shared_ptr<Ledger::Ticket> ticket_;
  const bool named_tokens_;
  GenerationRecord record_;
};

}  // namespace troupe::actors::edge
