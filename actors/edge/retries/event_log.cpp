#include "actors/edge/retries/event_log.hpp"

namespace troupe::actors::edge {

void EventLog::add(std::size_t part, std::string_view events) {
  append(part, events, true);
}

void EventLog::add_failure(std::string_view events) {
  append(end_part(), events, false);
}

void EventLog::append(std::size_t part, std::string_view events, bool numbered) {
  while (!events.empty()) {
    const auto blank = server_sent_ ? events.find("\n\n") : events.npos;
    const std::string_view event = events.substr(0, blank == events.npos ? blank : blank + 2);
    text_ += event;
    events_.push_back({text_.size(), std::uint32_t(part), numbered ? told_.next(part) : unnumbered});
    events.remove_prefix(event.size());
  }
}

void EventLog::tell(Reading& reader, std::string& out) const {
  for (; reader.next < events_.size(); ++reader.next) {
    const Event& event = events_[reader.next];
    if (event.number != unnumbered && !reader.position.tell(event.part, event.number)) continue;
    const std::size_t begin = reader.next == 0 ? 0 : events_[reader.next - 1].end;
    if (server_sent_) {
      out += "id: ";
      reader.position.append_to(out);
      out += '\n';
    }
    out.append(text_, begin, event.end - begin);
  }
}

void EventLog::forget() {
  text_.clear();
  events_.clear();
}

}  // namespace troupe::actors::edge
