// An allowance of so many a minute: it fills evenly, and holds at most what a minute gives. One owner at a time; the time is
// given to it and does not go back.
#pragma once

#include <cstdint>

#include "runtime/base/clock.hpp"

namespace troupe::actors::edge {

class TokenBucket {
 public:
  TokenBucket(std::int64_t per_minute, TimePoint now);  // at least 1; it is full

  // Another limit; what was used stays so.
  void set_limit(std::int64_t per_minute, TimePoint now);

  // False: there is not so much, and nothing is taken.
  bool take(std::int64_t amount, TimePoint now);
  // Takes back what take() gave and was not used; less than nothing: more was used, which later takes wait for.
  void give_back(std::int64_t amount, TimePoint now);

  std::int64_t limit() const { return limit_; }
  std::int64_t remaining(TimePoint now) const;                  // never less than 0
  Duration wait_for(std::int64_t amount, TimePoint now) const;  // until take(amount); amount: at most limit()
  Duration until_full(TimePoint now) const;

 private:
  double level(TimePoint now) const;
  void settle(TimePoint now, double change);
  Duration until(double level, TimePoint now) const;

  std::int64_t limit_;
  double level_;  // at that time; below 0 after give_back of less than nothing
  TimePoint at_;
};

}  // namespace troupe::actors::edge
