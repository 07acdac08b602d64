// Where the ranks of an epoch leave their addresses for each other. Each rank has one of its own and uses it
// from the thread that connects.
#pragma once

#include <optional>
#include <string>

#include "runtime/base/clock.hpp"

namespace troupe::transport {

class AddressStore {
 public:
  virtual ~AddressStore() = default;
  virtual void set(const std::string& key, const std::string& value) = 0;
  // Waits until somebody has set the key; nothing when the deadline passes first.
  virtual std::optional<std::string> get(const std::string& key, TimePoint deadline) = 0;
};

}  // namespace troupe::transport
