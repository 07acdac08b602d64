// What the supervisor of a replica shows to whoever asks. Thread-safe.
#pragma once

#include <mutex>

#include "runtime/recovery/replica_view.hpp"

namespace troupe::actors {

class ReplicaStatus {
 public:
  void show(runtime::ReplicaView view) {
    const std::lock_guard lock(mutex_);
    has_served_ |= view.state == runtime::ReplicaState::serving;
    view_ = std::move(view);
  }
  runtime::ReplicaView view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }
  runtime::ReplicaState state() const {
    const std::lock_guard lock(mutex_);
    return view_.state;
  }
  bool has_served() const {
    const std::lock_guard lock(mutex_);
    return has_served_;
  }

 private:
  mutable std::mutex mutex_;
  runtime::ReplicaView view_;
  bool has_served_ = false;
};

}  // namespace troupe::actors
