// What the supervisor of a replica shows to whoever asks. Thread-safe.
#pragma once

#include <algorithm>
#include <mutex>

#include "runtime/base/start_settings.hpp"
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
  // With which settings a rank would have started that has too little memory for those that it has; not known: it was not that.
  void would_fit(const runtime::StartSettings& settings) {
    const std::lock_guard lock(mutex_);
    if (settings.known()) fits_ = fits_.known() ? least(fits_, settings) : settings;
  }
  // All ranks that have failed so.
  runtime::StartSettings fits() const {
    const std::lock_guard lock(mutex_);
    return fits_;
  }
  bool has_served() const {
    const std::lock_guard lock(mutex_);
    return has_served_;
  }

 private:
  static runtime::StartSettings least(const runtime::StartSettings& a, const runtime::StartSettings& b) {
    return {std::min(a.max_num_seqs, b.max_num_seqs),
            std::min(a.max_num_batched_tokens, b.max_num_batched_tokens),
            std::min(a.max_model_len, b.max_model_len)};
  }

  mutable std::mutex mutex_;
  runtime::ReplicaView view_;
  bool has_served_ = false;
  runtime::StartSettings fits_;
};

}  // namespace troupe::actors
