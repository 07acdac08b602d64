#include "actors/link/handshakes.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>

namespace troupe::actors {

Handshakes::Handshakes(std::size_t most, Duration limit)
    : most_(most), limit_(limit), thread_([this](const std::stop_token& stop) { watch(stop); }) {}

void Handshakes::goes_on(const void* whose, int socket) {
  const std::lock_guard lock(mutex_);
  if (std::ranges::find(by_age_, whose, &Handshake::whose) != by_age_.end()) return;
  FileDescriptor own(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!own) {  // no descriptor is left
    shutdown(socket, SHUT_RDWR);
    return;
  }
  by_age_.push_back({whose, std::move(own), now()});
  if (by_age_.size() > most_) give_up_oldest();
  changed_.notify_one();
}

void Handshakes::is_over(const void* whose) {
  const std::lock_guard lock(mutex_);
  std::erase_if(by_age_, [&](const Handshake& each) { return each.whose == whose; });
}

void Handshakes::give_up_oldest() {
  shutdown(by_age_.front().socket.get(), SHUT_RDWR);
  by_age_.pop_front();
}

void Handshakes::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [&] { return !by_age_.empty(); })) {
    const TimePoint due = by_age_.front().began + limit_;
    changed_.wait_until(lock, stop, due, [] { return false; });
    while (!by_age_.empty() && by_age_.front().began + limit_ <= now()) give_up_oldest();
    if (stop.stop_requested()) return;
  }
}

}  // namespace troupe::actors
