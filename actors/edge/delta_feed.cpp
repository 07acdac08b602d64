#include "actors/edge/delta_feed.hpp"

#include <utility>

namespace troupe::actors::edge {

void DeltaFeed::expect(std::int32_t deltas) {
  const std::lock_guard lock(mutex_);
  credit_ += deltas;
}

DeltaFeed::News DeltaFeed::take() {
  const std::lock_guard lock(mutex_);
  announced_ = false;
  return std::exchange(news_, {});
}

void DeltaFeed::close() {
  const std::lock_guard lock(mutex_);
  wake_ = nullptr;
  news_ = {};
}

void DeltaFeed::cut_off(Refusal why) {
  const std::lock_guard lock(mutex_);
  if (!wake_ || over_ || std::exchange(cut_off_, true)) return;
  news_.failure = std::move(why);
  announce();
}

void DeltaFeed::on_accepted(runtime::Usage usage) {
  const std::lock_guard lock(mutex_);
  CHECK(!over_, "nothing is accepted after the end");
  if (!wake_ || cut_off_) return;
  news_.accepted = usage;
  announce();
}

void DeltaFeed::on_delta(runtime::Delta delta) {
  const std::lock_guard lock(mutex_);
  CHECK(!over_, "no delta after the end");
  if (!wake_ || cut_off_) return;
  CHECK(credit_ > 0, "a delta needs credit");
  --credit_;
  news_.deltas.push_back(std::move(delta));
  announce();
}

void DeltaFeed::on_end(runtime::Usage usage) {
  const std::lock_guard lock(mutex_);
  CHECK(!std::exchange(over_, true), "one end");
  if (!wake_ || cut_off_) return;
  news_.end = usage;
  announce();
}

void DeltaFeed::on_failure(Refusal refusal) {
  const std::lock_guard lock(mutex_);
  CHECK(!std::exchange(over_, true), "one end");
  if (!wake_ || cut_off_) return;
  news_.failure = std::move(refusal);
  announce();
}

void DeltaFeed::announce() {
  if (!std::exchange(announced_, true)) wake_();
}

}  // namespace troupe::actors::edge
