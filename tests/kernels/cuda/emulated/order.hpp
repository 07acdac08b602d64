// What the thread sanitizer is told, for which each fiber is a thread: which threads of a block wait for which, so that
// it finds what two of them touch in no order; and what is none of theirs, but the emulator's own. Nothing without it.
#pragma once

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_ignore_thread_begin();
extern "C" void __tsan_ignore_thread_end();
#define UNSEEN __attribute__((no_sanitize_thread))  // of a function: nobody looks at what its own lines touch
#else
#define UNSEEN
#endif

namespace troupe::kernels::cuda::emulated {

// What was done so far comes before what is done after arrive() at the same place.
inline void leave_at([[maybe_unused]] const void* place) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(const_cast<void*>(place));
#endif
}
inline void arrive_at([[maybe_unused]] const void* place) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(const_cast<void*>(place));
#endif
}

// While it lives, nobody looks at what this thread touches.
class Unseen {
 public:
  Unseen() {
#ifdef __SANITIZE_THREAD__
    __tsan_ignore_thread_begin();
#endif
  }
  ~Unseen() {
#ifdef __SANITIZE_THREAD__
    __tsan_ignore_thread_end();
#endif
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

}  // namespace troupe::kernels::cuda::emulated
