// Ctrl-C as something to wait for, instead of the end of the process. Made before any thread is started.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include "runtime/base/error.hpp"
#include "runtime/base/file_descriptor.hpp"

namespace troupe::launch::chat {

class Interrupts {
 public:
  Interrupts() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, &signals_, nullptr) == 0, "pthread_sigmask");
  }

  // Those that came when there was nothing to stop.
  void forget() const {
    const timespec now{};
    while (sigtimedwait(&signals_, nullptr, &now) > 0) {
    }
  }

  // Readable once one has come that is not forgotten.
  FileDescriptor descriptor() const {
    FileDescriptor file(signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK));
    CHECK(file, "signalfd");
    return file;
  }

 private:
  sigset_t signals_;
};

}  // namespace troupe::launch::chat
