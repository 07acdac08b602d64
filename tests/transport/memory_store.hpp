// Where the ranks of one process leave what they have to say, for tests.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "transport/address_store.hpp"

namespace troupe::transport {

// Thread-safe.
class MemoryStore final : public AddressStore {
 public:
  void set(const std::string& key, const std::string& value) override {
    const std::lock_guard lock(mutex_);
    values_[key] = value;
    changed_.notify_all();
  }
  std::optional<std::string> get(const std::string& key, TimePoint deadline) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [&] { return values_.contains(key); })) return std::nullopt;
    return values_[key];
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> values_;
};

}  // namespace troupe::transport
