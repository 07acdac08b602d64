// Signals that end a process, waited for instead of striking a thread.
#pragma once

#include <signal.h>

#include <chrono>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::launch {

constexpr std::chrono::milliseconds stop_signal_poll{200};

// Of a process that has peers over sockets, and children.
inline void expect_peers_to_leave() {
  signal(SIGPIPE, SIG_IGN);  // a peer that left is an error of its own write
  signal(SIGCHLD, SIG_DFL);  // a launcher may have left it ignored, and children are waited for here
}

// Before any thread is started. SIGUSR1 is the way to end a replica under mpirun, which passes it on to all
// nodes: its SIGTERM is followed by SIGKILL at once, and leaves no time to end streams. Only the first node
// heeds it, the others end with the replica.
inline sigset_t block_stop_signals(bool first_node) {
  expect_peers_to_leave();
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  if (first_node)
    sigaddset(&stop, SIGUSR1);
  else
    signal(SIGUSR1, SIG_IGN);
  CHECK(pthread_sigmask(SIG_BLOCK, &stop, nullptr) == 0, "pthread_sigmask");
  return stop;
}

// Waits for one for a moment.
inline bool stop_signal_came(const sigset_t& stop) {
  const timespec poll{0, std::chrono::nanoseconds(stop_signal_poll).count()};
  const int signal = sigtimedwait(&stop, nullptr, &poll);
  if (signal > 0) log_event(LogLevel::info, "stopping", {{"signal", signal}});
  return signal > 0;
}

}  // namespace troupe::launch
