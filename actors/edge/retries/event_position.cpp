#include "actors/edge/retries/event_position.hpp"

#include <charconv>

namespace troupe::actors::edge {
namespace {

constexpr std::uint32_t most_events = 1'000'000'000;  // of a part

tl::unexpected<Refusal> no_id_of_this_stream() {
  return refuse("The header Last-Event-ID holds no id of this stream's events.", "Last-Event-ID",
                "invalid_last_event_id");
}

}  // namespace

Expected<EventPosition> EventPosition::parse(std::string_view last_event_id, std::size_t choices) {
  EventPosition position(choices);
  const char* at = last_event_id.data();
  const char* const end = at + last_event_id.size();
  for (std::uint32_t& told : position.told_) {
    if (&told != &position.told_.front() && (at == end || *at++ != '-')) return no_id_of_this_stream();
    const auto [behind, error] = std::from_chars(at, end, told);
    if (error != std::errc() || told > most_events) return no_id_of_this_stream();
    at = behind;
  }
  if (at != end) return no_id_of_this_stream();
  return position;
}

bool EventPosition::tell(std::size_t part, std::uint32_t number) {
  if (number < told_[part]) return false;
  told_[part] = number + 1;
  return true;
}

void EventPosition::append_to(std::string& out) const {
  char digits[10];
  for (std::size_t part = 0; part < told_.size(); ++part) {
    if (part > 0) out += '-';
    out.append(digits, std::to_chars(digits, std::end(digits), told_[part]).ptr);
  }
}

}  // namespace troupe::actors::edge
