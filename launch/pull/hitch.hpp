// What went wrong on the way and may go better the next time. Any thread.
#pragma once

#include <optional>

#include "runtime/base/clock.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::pull {

class Hitch : public Error {
 public:
  Hitch(std::string_view what, std::string_view where, std::optional<Duration> retry_after = {})
      : Error(what, where), retry_after(retry_after) {}

  std::optional<Duration> retry_after;  // what the server asks for
};

}  // namespace troupe::launch::pull
