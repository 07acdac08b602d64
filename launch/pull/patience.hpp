// How often something is tried that fails on the way, and how long is waited in between. One owner.
#pragma once

#include <cstdint>

#include "launch/pull/hitch.hpp"

namespace troupe::launch::pull {

inline constexpr Duration longest_delay = std::chrono::minutes(1);
inline constexpr Duration longest_retry_after = std::chrono::minutes(15);  // that a server may ask for

struct Retries {
  std::int32_t most = 5;                           // in a row
  Duration first_delay = std::chrono::seconds(1);  // after the first failure; doubles with each
};

class Patience {
 public:
  explicit Patience(const Retries& retries) : retries_(retries) {}

  // There was progress: failures before it do not count.
  void renew() { failures_ = 0; }
  // How long to wait before it is tried again. Throws Error once it was tried often enough, or would have to wait for too long.
  Duration after(const Hitch& hitch);

 private:
  const Retries retries_;
  std::int32_t failures_ = 0;
};

}  // namespace troupe::launch::pull
