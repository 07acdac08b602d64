#include "actors/edge/departure.hpp"

namespace troupe::actors::edge {

void Departure::begin() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(begun_, true)) return;
  }
  when_begun_();
}

void Departure::begin_for_good() {
  {
    const std::lock_guard lock(mutex_);
    for_good_ = true;
  }
  begin();
}

void Departure::call_off() {
  const std::lock_guard lock(mutex_);
  if (!for_good_) begun_ = false;
}

bool Departure::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

Departure::Pass Departure::admit() {
  const std::lock_guard lock(mutex_);
  if (begun_) return nullptr;
  ++in_progress_;
  return Pass(this);
}

void Departure::left() {
  const std::lock_guard lock(mutex_);
  --in_progress_;
  changed_.notify_all();
}

std::size_t Departure::in_progress() const {
  const std::lock_guard lock(mutex_);
  return in_progress_;
}

bool Departure::wait(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [this] { return in_progress_ == 0 || hastened_; });
  return in_progress_ == 0;
}

void Departure::hasten() {
  const std::lock_guard lock(mutex_);
  hastened_ = true;
  changed_.notify_all();
}

bool Departure::hastened() const {
  const std::lock_guard lock(mutex_);
  return hastened_;
}

Refusal leaving() {
  return {RefusalKind::unavailable, "The server is leaving and takes no more requests.", "", "draining"};
}

}  // namespace troupe::actors::edge
