// The requests of a recorded schedule, for another policy to serve: when they came, what their prompts and answers shared, and how
// long their answers were. Owned by one thread.
#pragma once

#include "runtime/lab/recorded_words.hpp"
#include "runtime/lab/trace.hpp"
#include "runtime/scheduling/recording/schedule_file.hpp"

namespace troupe::runtime::lab {

// A choice is a request of its own, as it is for a policy. Those that were refused, or of which nothing came, are left out.
class RecordedTrace final : public Trace, public AnswerWords {
 public:
  explicit RecordedTrace(const RecordedSchedule& schedule);  // which outlives this

  std::optional<TraceRequest> next() override;
  TokenId word(ContentId answer, std::uint64_t position) const override;
  bool shares_prefixes() const override { return true; }

 private:
  struct Answered {
    std::int32_t prompt_tokens = 0, output_tokens = 0;
  };
  TraceRequest request_of(const RecordedSubmission& submitted, std::int64_t time) const;

  const RecordedSchedule& schedule_;
  RecordedWords words_;
  std::unordered_map<SequenceId, Answered> answered_;
  std::size_t at_ = 0;  // the next event
};

}  // namespace troupe::runtime::lab
