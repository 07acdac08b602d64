// The stream of one answer of an OpenAI server, completions or chat, to an Exchange. One owner.
#pragma once

#include <string_view>

#include "launch/load/event_splitter.hpp"
#include "launch/load/exchange.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::launch::load {

class AnswerReader {
 public:
  // Times are measured from `sent`. exchange outlives the reader.
  AnswerReader(Exchange& exchange, TimePoint sent) : exchange_(exchange), sent_(sent), latest_(sent) {}

  void take(std::string_view bytes, TimePoint at);
  // The body has ended: an answer without tokens, or without its [DONE], is an error.
  void end();

 private:
  void event(std::string_view data, TimePoint at);
  void token(TimePoint at);

  Exchange& exchange_;
  EventSplitter events_;
  TimePoint sent_, latest_;
  std::int32_t events_with_tokens_ = 0;
  bool done_ = false;
};

}  // namespace troupe::launch::load
