// What a model says, out of the events of a streamed chat completion, split anywhere: its first choice alone. One owner.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "launch/load/event_splitter.hpp"

namespace troupe::launch::chat {

struct Piece {
  std::string reasoning, content;  // one of them may be empty
};

class AnswerStream {
 public:
  explicit AnswerStream(std::function<void(const Piece&)> tell) : tell_(std::move(tell)) {}

  // Throws Error for an error that the server tells, and for what are no chunks.
  void take(std::string_view bytes);
  void end() const;  // throws Error if the answer broke off

 private:
  void event(std::string_view data);

  std::function<void(const Piece&)> tell_;
  load::EventSplitter events_;
  bool done_ = false;  // the choice has ended
};

}  // namespace troupe::launch::chat
