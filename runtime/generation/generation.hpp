// One request while it generates: owns its prompts and every token produced for them, so that it can replay
// itself after a fault; turns committed tokens into deltas and paces its sequences by the reader's credit. No
// actors, no HTTP, no clock: serving, `troupe generate` and tests drive the same class. Not thread-safe.
#pragma once

#include <deque>
#include <optional>

#include "runtime/base/clock.hpp"
#include "runtime/generation/choices.hpp"

namespace troupe::runtime {

// What a generation wants done, and what it tells. Implementations hand over and return; they do not call
// back.
class GenerationOutlet {
 public:
  virtual ~GenerationOutlet() = default;
  // To the scheduler.
  virtual void submit(const Submission& submission) = 0;
  virtual void pause(SequenceId sequence) = 0;
  virtual void resume(SequenceId sequence) = 0;
  virtual void cancel(SequenceId sequence) = 0;
  // To the reader: accepted once, with the usage of the prompts; deltas, a credit each; then end or failure once, or
  // neither after a cancellation.
  virtual void accepted(const Usage& usage) = 0;
  virtual void delta(Delta delta) = 0;
  virtual void end(const Usage& usage) = 0;
  virtual void failure(const Refusal& refusal) = 0;
  // To the metrics: each output token once, as its choice's first or as a later one; each choice's end once.
  virtual void first_token(Duration since_arrival) = 0;
  virtual void next_token(Duration since_previous) = 0;
  virtual void choice_ended(ChoiceEnd how) = 0;
  // After that, of one that has output and was neither cancelled nor failed.
  virtual void choice_served(const ChoiceTimes& times) = 0;
  virtual void repetition_ended() = 0;  // a choice, since it went round in circles
  virtual void filter_matched(const FilterMatch& match) = 0;
};

class Generation {
 public:
  // text and outlet outlive it. choices: of this request, at least one.
  Generation(GenerationRequest request, std::vector<NewChoice> choices, const model::TextModel& text,
             GenerationOutlet& outlet, TimePoint arrival);

  // A scheduler that knows none of the sequences: the first one, or another after a fault.
  void meet_scheduler();
  // What the scheduler says of a sequence. One that has ended is not spoken of any more: ignored.
  void take(const CommittedToken& committed, TimePoint now);
  void replay(SequenceId sequence);  // a fault made it forget the sequence
  void queued(SequenceId sequence);  // it waits for its turn
  void refused(SequenceId sequence, const Refusal& why);
  // The reader can take so many deltas more. Without credit a sequence is paused, and no other than it.
  void grant(std::int64_t deltas);
  void cancel();  // the reader left: nobody is told
  // Why nothing came of logits that these rules changed.
  static Refusal without_a_token(TokenId why, const LogitRules& rules);
  void fail(const Refusal& why);  // nothing will come any more
  void cut_short();               // what there is is all: choices end as if they had reached max_tokens
  bool over() const { return over_; }

  const GenerationRequest& request() const { return request_; }
  const Usage& usage() const { return usage_; }
  bool has_output() const { return usage_.completion_tokens > 0; }
  SequenceId first_sequence() const { return first_; }  // of its choices, which follow each other
  std::size_t choices() const { return choices_.size(); }
  // How often a choice was looked at: for each token and each credit spent, once, however many there are.
  std::uint64_t visits() const { return visits_; }
  // CHECKs every invariant; for tests.
  void check() const;

 private:
  // Of tokens whose text waits for a filter: what would tell them otherwise waits, too.
  struct Withheld {
    std::vector<TokenId> token_ids;
    std::vector<LogprobEntry> logprobs;
    std::string thoughts, content;  // that were told of them
    bool changed = false;           // by the filter
  };
  struct Choice {
    Submission submission;  // tokens: the prompt and all output so far
    ChoiceOutput output;
    Delta pending;  // waits for credit
    Withheld withheld;
    bool accepted = false;  // by a scheduler
    bool queued = false;    // in waiting_
    bool paused = false;    // at the scheduler
    bool finished = false;
    // When it got blocks, first and after the last fault, and its first token; once there is a last one.
    TimePoint seated{}, seated_again{}, first_token{};
    std::vector<ChoiceTimes::Replay> replays;
    std::optional<TimePoint> last_token;
  };

  Choice* running(SequenceId sequence);
  void submit(Choice& choice, bool again);
  void begin_text(Choice& choice, const CommittedToken& first);
  void count(Choice& choice, TimePoint seated, TimePoint now);
  void append(Choice& choice, const CommittedToken& committed);
  bool is_stop_of_client(TokenId token) const;
  void finish(Choice& choice, FinishReason why);
  ChoiceTimes times_of(const Choice& choice) const;
  ChoiceEnd end_of(const Choice& choice, FinishReason why) const;
  void append_text(Choice& choice);
  void tell_tokens(Choice& choice);
  LogprobEntry entry_of(const SampledToken& sampled) const;
  std::vector<LogprobEntry> prompt_entries(const Choice& choice, const CommittedToken& first,
                                           std::int32_t alternatives) const;
  void offer(Choice& choice);
  void send(Choice& choice);
  void end_if_done();
  void leave(ChoiceEnd how);

  GenerationRequest request_;
  const model::TextModel& text_;
  GenerationOutlet& outlet_;
  TimePoint arrival_;
  std::vector<Choice> choices_;  // choice i is sequence first_ + i
  SequenceId first_;
  std::deque<std::size_t> waiting_;  // choices with news and no credit; the first gets the next credit
  std::size_t unfinished_;
  std::size_t unaccepted_;
  std::int64_t credit_ = 0;
  std::uint64_t visits_ = 0;
  Usage usage_;
  bool submitted_ = false;
  bool over_ = false;
};

}  // namespace troupe::runtime
