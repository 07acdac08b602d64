// How far a client has been told a stream, as the ids of its events say it: of each part of the answer (its beginning, each
// choice, its end) how many events. Choices may interleave otherwise when an answer is computed again, but the k-th event of a
// choice is always the same, so that this, and no count of all events, says what is still to be told. To clients it is opaque.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

class EventPosition {
 public:
  explicit EventPosition(std::size_t choices) : told_(choices + 2) {}  // nothing is told

  // last_event_id: of a stream with so many choices: "1-12-7-0". Refused, if it is no such id.
  static Expected<EventPosition> parse(std::string_view last_event_id, std::size_t choices);

  std::size_t parts() const { return told_.size(); }
  static constexpr std::size_t beginning = 0;
  static std::size_t of_choice(std::int32_t choice) { return std::size_t(choice) + 1; }
  std::size_t end() const { return told_.size() - 1; }

  // Of the event that is the number-th of its part, counted from 0: whether it is still to be told. Then it is.
  bool tell(std::size_t part, std::uint32_t number);
  std::uint32_t next(std::size_t part) { return told_[part]++; }  // the number of one more

  void append_to(std::string& out) const;

 private:
  std::vector<std::uint32_t> told_;  // by part
};

}  // namespace troupe::actors::edge
