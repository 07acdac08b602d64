// The one loop that everything in a simulated replica happens in: mail that waits for its time, which is driven. What is
// drawn depends on the seed alone. Not thread-safe.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "runtime/base/clock.hpp"

namespace troupe::simulation {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}

  std::uint64_t draw() {  // splitmix64
    std::uint64_t x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  std::int32_t below(std::int32_t end) { return std::int32_t(draw() % std::uint64_t(end)); }
  std::int32_t between(std::int32_t first, std::int32_t last) { return first + below(last - first + 1); }
  Duration between(Duration first, Duration last) {
    return first + Duration(std::int64_t(draw() % std::uint64_t((last - first).count() + 1)));
  }
  bool one_in(std::int32_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

// Mail to one actor of a process: it is read in the order in which it was sent, by whomever.
struct Mailbox {
  TimePoint last{};
};

class Mail {
 public:
  using Deliver = std::function<void()>;

  explicit Mail(Random& random) : random_(random) {}

  TimePoint now() const { return now_; }
  void at(TimePoint due, Deliver deliver) {
    waiting_.push_back({std::max(due, now_), sent_++, std::move(deliver)});
    std::push_heap(waiting_.begin(), waiting_.end(), later);
  }
  void after(Duration time, Deliver deliver) { at(now_ + time, std::move(deliver)); }
  // Within the process: who is asked to run next is a matter of chance.
  void post(Mailbox& box, Deliver deliver) {
    box.last = std::max(box.last, now_ + random_.between(microseconds(0), microseconds(200)));
    at(box.last, std::move(deliver));
  }
  // False: there is none.
  bool deliver_next() {
    if (waiting_.empty()) return false;
    std::pop_heap(waiting_.begin(), waiting_.end(), later);
    const Item next = std::move(waiting_.back());
    waiting_.pop_back();
    now_ = next.due;
    next.deliver();
    return true;
  }

 private:
  struct Item {
    TimePoint due;
    std::uint64_t number;
    Deliver deliver;
  };
  static bool later(const Item& a, const Item& b) {
    return std::pair(a.due, a.number) > std::pair(b.due, b.number);
  }

  Random& random_;
  TimePoint now_ = TimePoint{} + seconds(1000);
  std::uint64_t sent_ = 0;
  std::vector<Item> waiting_;  // a heap, the next on top
};

}  // namespace troupe::simulation
