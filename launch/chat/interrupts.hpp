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

  // While one lives, Ctrl-C does what it does to other programs, whether it comes or has come before. Of the one thread
  // that makes and ends it.
  class Pause {
   public:
    explicit Pause(const Interrupts& of) : signals_(of.signals_) {
      CHECK(pthread_sigmask(SIG_UNBLOCK, &signals_, nullptr) == 0, "pthread_sigmask");
    }
    ~Pause() { CHECK(pthread_sigmask(SIG_BLOCK, &signals_, nullptr) == 0, "pthread_sigmask"); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    const sigset_t& signals_;
  };

  // Whether one has come that is not forgotten, which it is by this.
  bool came() const {
    const timespec now{};
    return sigtimedwait(&signals_, nullptr, &now) > 0;
  }

  // Those that came when there was nothing to stop.
  void forget() const {
    while (came()) {
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
