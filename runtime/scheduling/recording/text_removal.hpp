// Turns what a step cycle tells into what may be written down. Owned by the thread that records; it holds prompts and outputs of
// the sequences that live, and a key that dies with it.
#pragma once

#include <unordered_map>

#include "runtime/scheduling/recording/recorded_event.hpp"

namespace troupe::runtime {

class TextRemoval {
 public:
  TextRemoval();
  RecordedEvent operator()(const CycleEvent& event, TimePoint now);
  // What stands for all events so far: the scheduler and the pool that there are, packed.
  std::string context() const;

 private:
  struct Text {
    std::vector<TokenId> tokens, stop_ids;
    BlockHash last{};  // of its full blocks, or the root
  };

  CycleBegan without(const CycleBegan& event);
  PolicyChanged without(const PolicyChanged& event);
  BlocksReplied without(const BlocksReplied& event);
  RecordedSubmission without(const SequenceSubmitted& event);
  SequenceTold without(const SequenceTold& event);
  RecordedResult without(const ResultCame& event);
  RecordedOutput shape_of(const SequenceOutput& output) const;
  RecordedStep without(const StepPlanned& event) { return without_text(event); }
  template <class Event>
  Event without(const Event& event) {
    return event;
  }
  BlockName name_next(Text& text, std::size_t index);
  std::int64_t since_begin(TimePoint time) const;

  std::string key_;
  std::optional<TimePoint> begin_;
  std::int64_t last_ = 0;  // the time of the last event
  std::optional<CycleBegan> began_;
  std::optional<BlocksReplied> replied_;  // the last one
  std::size_t block_size_ = 0;            // tokens; 0: there is no prefix cache, and nobody asks for names
  std::unordered_map<SequenceId, Text> texts_;
};

}  // namespace troupe::runtime
