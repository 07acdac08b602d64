// Whom a key belongs to. Unchanging; any thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/api_keys.hpp"

namespace troupe::actors::edge {

// What stands behind "Bearer" in an Authorization header; empty: nothing does.
std::string_view bearer_token(std::string_view authorization);

class KeyRing {
 public:
  // master_keys: each opens everything, for a caller without a name.
  KeyRing(const std::vector<std::string>& master_keys, const std::vector<config::Caller>& callers);

  struct Owner {
    std::shared_ptr<const config::Caller> caller;  // of a master key: without a name and limits
    bool master = false;
    bool opens(config::KeyClass kind) const;
  };
  // Null: no such key, or none that is still valid. The time that it takes tells nothing about how much of a key was right.
  const Owner* find(std::string_view shown, std::chrono::system_clock::time_point now) const;

  std::vector<std::shared_ptr<const config::Caller>> callers() const;  // those with a name and a key

 private:
  struct Key {
    std::string sha256;  // hexadecimal
    std::optional<std::chrono::sys_seconds> expires;
    Owner owner;
  };

  std::vector<Key> keys_;
};

}  // namespace troupe::actors::edge
