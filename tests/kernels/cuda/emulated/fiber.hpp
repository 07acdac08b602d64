// A stack of its own for what runs a little, waits, and goes on: a thread of the emulated GPU. Used by one thread of
// the host; x86-64 alone, as the CPU's kernels are.
#pragma once

#include <cstddef>
#include <memory>

namespace troupe::kernels::cuda::emulated {

class Fiber {
 public:
  using Body = void (*)(void* context);

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // From now on resume runs body(context); what ran before is forgotten, its stack not unwound.
  void begin(Body body, void* context);
  // Runs it until it pauses or ends.
  void resume();
  bool ended() const { return ended_; }

  // Called on the fiber, or by a signal handler that interrupted it.
  void pause();               // returns when it is resumed
  [[noreturn]] void leave();  // it is never resumed

 private:
  static void run();  // where a stack begins
  void switch_to_caller(void** own_shadow);

  static constexpr std::size_t stack_bytes = 128 << 10;

  std::unique_ptr<std::byte[]> stack_;
  void* top_ = nullptr;     // of its stack while it waits
  void* caller_ = nullptr;  // of the stack that resumed it
  Body body_ = nullptr;
  void* context_ = nullptr;
  bool ended_ = true;
  // Of the caller, for the address sanitizer.
  const void* caller_stack_ = nullptr;
  std::size_t caller_stack_bytes_ = 0;
  // For the thread sanitizer.
  void *thread_ = nullptr, *caller_thread_ = nullptr;
};

}  // namespace troupe::kernels::cuda::emulated
