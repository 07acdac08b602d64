// Connections between the head and the other processes of a simulated replica, which break, delay and repeat.
#pragma once

#include <array>
#include <deque>

#include "tests/recovery/mail.hpp"

namespace troupe::simulation {

using LinkId = std::size_t;
enum class End { head, host };

class Links {
 public:
  Links(Mail& mail, Random& random) : mail_(mail), random_(random) {}

  // Each end is told, some time later, when the link is lost.
  LinkId open(Mail::Deliver lost_at_head, Mail::Deliver lost_at_host) {
    links_.push_back({true, {}, {std::move(lost_at_head), std::move(lost_at_host)}});
    return links_.size() - 1;
  }
  bool up(LinkId id) const { return links_[id].up; }
  // What is under way is lost.
  void cut(LinkId id) {
    if (!std::exchange(links_[id].up, false)) return;
    mail_.after(random_.between(microseconds(0), milliseconds(30)), links_[id].lost[0]);
    mail_.after(random_.between(microseconds(0), milliseconds(100)), links_[id].lost[1]);
  }

  // In order and once, but where mail is disturbed.
  void send(LinkId id, End to, Mail::Deliver deliver) {
    Link& link = links_[id];
    if (!link.up) return;
    TimePoint& last = link.last[std::size_t(to)];
    last = std::max(last, mail_.now() + delay());
    const auto over_link = [this, id, deliver = std::move(deliver)] {
      if (links_[id].up) deliver();
    };
    if (disturbed > 0 && random_.one_in(disturbed))
      mail_.at(last + random_.between(milliseconds(1), seconds(1)), over_link);  // later mail comes before it
    else
      mail_.at(last, over_link);
    if (disturbed > 0 && random_.one_in(disturbed)) mail_.at(last + delay(), over_link);  // and again
  }

  std::int32_t disturbed = 0;  // one in so many messages is late, and one is doubled; 0: none

 private:
  struct Link {
    bool up;
    std::array<TimePoint, 2> last;  // that arrives, by end
    std::array<Mail::Deliver, 2> lost;
  };
  Duration delay() {
    return random_.one_in(50) ? random_.between(milliseconds(1), milliseconds(20))
                              : random_.between(microseconds(10), microseconds(500));
  }

  Mail& mail_;
  Random& random_;
  std::deque<Link> links_;
};

}  // namespace troupe::simulation
