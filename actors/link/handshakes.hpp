// TLS handshakes that a peer has begun and not ended. A connection gets so long to end its own, and only so
// many may be under way: the oldest gives way to the newest. Thus strangers hold no more than `most`
// connections. Thread-safe.
#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "runtime/base/clock.hpp"
#include "runtime/base/file_descriptor.hpp"

namespace troupe::actors {

class Handshakes {
 public:
  Handshakes(std::size_t most, Duration limit);

  // The handshake of `whose` goes on over a socket, which is shut down when its time is over; whoever waits
  // for the socket then finds it at its end. Counts from the first call.
  void goes_on(const void* whose, int socket);
  void is_over(const void* whose);  // one that is not known is left alone

 private:
  struct Handshake {
    const void* whose;
    FileDescriptor socket;  // of its own, so that it stays the same one
    TimePoint began;
  };

  void watch(const std::stop_token& stop);
  void give_up_oldest();

  const std::size_t most_;
  const Duration limit_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Handshake> by_age_;
  std::jthread thread_;
};

}  // namespace troupe::actors
