#include "tests/kernels/cuda/emulated/stream.hpp"

#include <algorithm>

namespace troupe::kernels::cuda::emulated {

Stream Streams::create() {
  StreamHandle& made = *streams_.emplace_back(std::make_unique<StreamHandle>());
  made.random.seed(random_());
  return &made;
}

bool Streams::known(Stream stream) const {
  return std::ranges::any_of(streams_, [&](const auto& one) { return one.get() == stream; });
}

void Streams::destroy(Stream stream) {
  std::erase_if(streams_, [&](const auto& one) { return one.get() == stream; });
}

void Streams::record(Event event, Stream stream) {
  const std::uint64_t number = ++event->enqueued;
  stream->work.push_back({[event, number] {
    event->happened = number;
    return Fault();
  }});
}

bool Streams::wait_for_others() const {
  return std::ranges::any_of(
      streams_, [](const auto& one) { return !one->work.empty() && one->work.front().of_others; });
}

bool Streams::step(Fault& fault) {
  std::vector<StreamHandle*> can;
  for (const auto& stream : streams_)
    if (!stream->work.empty() && (!stream->work.front().ready || stream->work.front().ready()))
      can.push_back(stream.get());
  if (can.empty()) return false;
  StreamHandle& next = *can[random_() % can.size()];
  const StreamHandle::Work work = std::move(next.work.front());
  next.work.pop_front();
  fault = work.run();
  return fault.result == success;
}

}  // namespace troupe::kernels::cuda::emulated
