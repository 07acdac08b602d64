#include "actors/edge/callers/token_bucket.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/base/error.hpp"

namespace troupe::actors::edge {
namespace {

constexpr double minute_seconds = 60;
// What sums of fractions may lack: a wait that was told must suffice.
constexpr double rounding = 1e-6;

}  // namespace

TokenBucket::TokenBucket(std::int64_t per_minute, TimePoint now)
    : limit_(per_minute), level_(double(per_minute)), at_(now) {
  CHECK(per_minute >= 1);
}

void TokenBucket::set_limit(std::int64_t per_minute, TimePoint now) {
  CHECK(per_minute >= 1);
  const double used = double(limit_) - level(now);
  limit_ = per_minute;
  level_ = double(limit_) - used;
  at_ = std::max(at_, now);
}

bool TokenBucket::take(std::int64_t amount, TimePoint now) {
  if (level(now) + rounding < double(amount)) return false;
  settle(now, -double(amount));
  return true;
}

void TokenBucket::give_back(std::int64_t amount, TimePoint now) {
  settle(now, double(amount));
}

std::int64_t TokenBucket::remaining(TimePoint now) const {
  return std::max<std::int64_t>(0, std::int64_t(std::floor(level(now) + rounding)));
}

Duration TokenBucket::wait_for(std::int64_t amount, TimePoint now) const {
  return until(double(amount), now);
}

Duration TokenBucket::until_full(TimePoint now) const {
  return until(double(limit_), now);
}

double TokenBucket::level(TimePoint now) const {
  const double seconds = std::chrono::duration<double>(std::max(now, at_) - at_).count();
  return std::min(double(limit_), level_ + seconds * double(limit_) / minute_seconds);
}

void TokenBucket::settle(TimePoint now, double change) {
  level_ = std::min(double(limit_), level(now) + change);
  at_ = std::max(at_, now);
}

Duration TokenBucket::until(double wanted, TimePoint now) const {
  const double seconds = std::max(0.0, wanted - level(now)) * minute_seconds / double(limit_);
  return std::chrono::ceil<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace troupe::actors::edge
