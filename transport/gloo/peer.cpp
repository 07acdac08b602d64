#include "transport/gloo/peer.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/error.hpp"

namespace troupe::transport {

constexpr std::chrono::milliseconds alarm_interval{5};

GlooMesh::Peer::Peer(Context& context, ::gloo::transport::tcp::Device& device, int rank, GlooMesh& mesh)
    : Pair(&context, &device, rank, context.getTimeout()), mesh_(mesh) {}

void GlooMesh::Peer::adopt(FileDescriptor connection) {
  const std::lock_guard lock(m_);
  throwIfException();
  ::close(fd_);  // Gloo's own listening socket, on loopback
  fd_ = connection.release();
  handleConnected();
}

void GlooMesh::Peer::hang_up() {
  const std::lock_guard lock(m_);
  if (state_ == CONNECTED) shutdown(fd_, SHUT_RDWR);
}

void GlooMesh::Peer::retire() {
  const std::lock_guard lock(m_);
  if (state_ != CLOSED) changeState(CLOSED);
}

void GlooMesh::Peer::handleEvents(int events) {
  try {
    Pair::handleEvents(events);
  } catch (
      const std::exception& error) {  // the peer broke Gloo's protocol; leaving here would end the process
    signalExceptionExternal(error.what());
  }
  // Whoever holds the lock at this moment finds the pair closed by itself.
  std::unique_lock lock(m_, std::try_to_lock);
  if (!lock || state_ != CLOSED) return;
  lock.unlock();
  mesh_.lost(rank_);
}

GlooMesh::Alarm::Alarm(GlooMesh& mesh)
    : mesh_(mesh),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      always_ready_(eventfd(1, EFD_CLOEXEC)) {
  if (!timer_ || !always_ready_) throw Error(std::strerror(errno), "descriptors for a deadline");
}

void GlooMesh::Alarm::listen(::gloo::transport::tcp::Device& device) {
  device.registerDescriptor(timer_.get(), EPOLLIN, this);
}

void GlooMesh::Alarm::keep_awake(::gloo::transport::tcp::Device& device) {
  device.registerDescriptor(always_ready_.get(), EPOLLIN, this);
}

void GlooMesh::Alarm::unlisten(::gloo::transport::tcp::Device& device) {
  device.unregisterDescriptor(timer_.get(), this);
}

void GlooMesh::Alarm::set(TimePoint deadline) {
  const auto since_boot = std::chrono::nanoseconds(deadline.time_since_epoch()).count();
  itimerspec when{};
  when.it_value = {since_boot / 1'000'000'000, since_boot % 1'000'000'000};
  when.it_interval.tv_nsec = std::chrono::nanoseconds(alarm_interval).count();
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void GlooMesh::Alarm::put_off() {
  const itimerspec never{};
  timerfd_settime(timer_.get(), 0, &never, nullptr);
}

void GlooMesh::Alarm::handleEvents(int) {
  std::uint64_t times = 0;
  if (read(timer_.get(), &times, sizeof times) == sizeof times) mesh_.check_deadline();
}

}  // namespace troupe::transport
