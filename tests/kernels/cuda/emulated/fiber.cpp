#include "tests/kernels/cuda/emulated/fiber.hpp"

#include <cstdint>
#include <cstring>

#include "tests/kernels/cuda/emulated/order.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a call preserves and the stack's top at *from, then goes on at `to`, which this function
// left or begin() made.
extern "C" void troupe_switch_stacks(void** from, void* to);
asm(R"(
.text
.globl troupe_switch_stacks
.type troupe_switch_stacks, @function
troupe_switch_stacks:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
.size troupe_switch_stacks, . - troupe_switch_stacks
)");

namespace troupe::kernels::cuda::emulated {
namespace {

thread_local Fiber* beginning = nullptr;

// The address sanitizer is told which stack is in use. shadow: what it keeps of the stack that is left; null:
// nothing, that stack is done with.
void leaving([[maybe_unused]] void** shadow, [[maybe_unused]] const void* stack,
             [[maybe_unused]] std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(shadow, stack, bytes);
#endif
}
void arrived([[maybe_unused]] void* shadow, [[maybe_unused]] const void** left_stack,
             [[maybe_unused]] std::size_t* left_bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(shadow, left_stack, left_bytes);
#endif
}

// The thread sanitizer takes what is done before for earlier than what the fiber does; but not what the fiber does for
// earlier than what follows in its caller, by way of which all fibers would be in order.
UNSEEN void to_fiber([[maybe_unused]] void* thread, [[maybe_unused]] void** caller) {
#ifdef __SANITIZE_THREAD__
  *caller = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(thread, 0);
#endif
}
UNSEEN void to_caller([[maybe_unused]] void* thread) {
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync);
#endif
}

}  // namespace

Fiber::Fiber() : stack_(new std::byte[stack_bytes]) {
#ifdef __SANITIZE_THREAD__
  thread_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#ifdef __SANITIZE_THREAD__
  __tsan_destroy_fiber(thread_);
  const Unseen unseen;
  stack_.reset();
#endif
}

UNSEEN void Fiber::begin(Body body, void* context) {
  constexpr std::size_t saved_registers = 6;
  auto end = reinterpret_cast<std::uintptr_t>(stack_.get() + stack_bytes) & ~std::uintptr_t{15};
  auto* top = reinterpret_cast<void**>(end);
  *--top = nullptr;  // where run would return to; it does not
  *--top = reinterpret_cast<void*>(&Fiber::run);
  for (std::size_t i = 0; i < saved_registers; ++i) *--top = nullptr;
  top_ = top;
  body_ = body;
  context_ = context;
  ended_ = false;
}

UNSEEN void Fiber::resume() {
  void* shadow = nullptr;
  beginning = this;
  leaving(&shadow, stack_.get(), stack_bytes);
  to_fiber(thread_, &caller_thread_);
  troupe_switch_stacks(&caller_, top_);
  arrived(shadow, nullptr, nullptr);
}

UNSEEN void Fiber::run() {
  Fiber& fiber = *beginning;
  arrived(nullptr, &fiber.caller_stack_, &fiber.caller_stack_bytes_);
  fiber.body_(fiber.context_);
  fiber.leave();
}

UNSEEN void Fiber::pause() {
  void* shadow = nullptr;
  switch_to_caller(&shadow);
  arrived(shadow, &caller_stack_, &caller_stack_bytes_);
}

UNSEEN void Fiber::leave() {
  ended_ = true;
  switch_to_caller(nullptr);
  __builtin_unreachable();
}

UNSEEN void Fiber::switch_to_caller(void** own_shadow) {
  leaving(own_shadow, caller_stack_, caller_stack_bytes_);
  to_caller(caller_thread_);
  troupe_switch_stacks(&top_, caller_);
}

}  // namespace troupe::kernels::cuda::emulated
