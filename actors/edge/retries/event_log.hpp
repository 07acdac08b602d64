// The events of a streamed answer, as they were told or are to be: each reader takes them from where it is, each with the id
// that it has for this reader. One owner.
#pragma once

#include "actors/edge/retries/event_position.hpp"

namespace troupe::actors::edge {

class EventLog {
 public:
  // Where a reader is.
  struct Reading {
    EventPosition position;
    std::size_t next = 0;  // event of the log
  };

  // server_sent: events end with an empty line, and get ids. Else what is added is a unit without one, and a reader who has
  // none begins at the start.
  EventLog(std::size_t choices, bool server_sent) : told_(choices), server_sent_(server_sent) {}

  void add(std::size_t part, std::string_view events);  // whole ones, one behind the other; may be none
  // Of a failure: it is no part of the answer. A reader's position stays before it, so that the answer can go on from there.
  void add_failure(std::string_view events);
  std::size_t end_part() const { return told_.end(); }

  bool server_sent() const { return server_sent_; }
  std::size_t bytes() const { return text_.size() + events_.size() * sizeof(Event); }

  // Appends what the reader has not, and takes it there.
  void tell(Reading& reader, std::string& out) const;
  void forget();  // no reader is anywhere but at the end; they begin at 0 again

 private:
  static constexpr std::uint32_t unnumbered = -1;
  struct Event {
    std::size_t end;  // in text_, where the next begins
    std::uint32_t part, number;
  };
  void append(std::size_t part, std::string_view events, bool numbered);

  EventPosition told_;
  const bool server_sent_;
  std::string text_;
  std::vector<Event> events_;
};

}  // namespace troupe::actors::edge
