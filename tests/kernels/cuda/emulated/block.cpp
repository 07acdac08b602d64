#include "tests/kernels/cuda/emulated/block.hpp"

#include <cstring>
#include <numeric>
#include <utility>

namespace troupe::kernels::cuda::emulated {
namespace {

constexpr std::size_t shared_bytes = 48 << 10;  // that a kernel may have without asking
constexpr int nothing_yet = 0xff;               // bytes of memory that nobody has written: NaN

thread_local Block* running_block = nullptr;
thread_local std::vector<std::unique_ptr<Fiber>> idle_fibers;

std::unique_ptr<Fiber> take_fiber() {
  if (idle_fibers.empty()) return std::make_unique<Fiber>();
  auto fiber = std::move(idle_fibers.back());
  idle_fibers.pop_back();
  return fiber;
}

}  // namespace

Block::Block(const Launch& launch, Index at, std::uint32_t seed)
    : launch_(launch),
      at_(at),
      random_(seed),
      threads_(launch.block.x),
      ready_(launch.block.x),
      warps_((launch.block.x + warp_threads - 1) / warp_threads),
      shared_(shared_bytes, std::byte(nothing_yet)) {
  std::iota(ready_.begin(), ready_.end(), 0u);
}

Block* Block::current() {
  return running_block;
}

Fault Block::run() {
  Block* const outer = std::exchange(running_block, this);
  while (!ready_.empty() && fault_.result == success) {
    std::swap(ready_[random_() % ready_.size()], ready_.back());
    const unsigned thread = ready_.back();
    ready_.pop_back();
    step(thread);
  }
  arrive_at(this);
  arrive_at(&barrier_);
  for (const Warp& warp : warps_) arrive_at(&warp.meeting);
  running_block = outer;
  return fault_.result == success ? who_waits() : fault_;
}

void Block::step(unsigned thread) {
  running_ = thread;
  std::unique_ptr<Fiber>& fiber = threads_[thread].fiber;
  if (!fiber) {
    fiber = take_fiber();
    fiber->begin(
        [](void* block) {
          static_cast<Block*>(block)->launch_.run(static_cast<Block*>(block)->launch_.arguments);
          leave_at(block);
        },
        this);
  }
  fiber->resume();
  // Not one that a signal handler left, which for a sanitizer it never does.
  if (fiber->ended() && fault_.result == success) idle_fibers.push_back(std::move(fiber));
}

void Block::meet(Meeting& meeting, unsigned threads) {
  leave_at(&meeting);
  arrive(meeting, threads)->pause();
  arrive_at(&meeting);
}

Fiber* Block::arrive(Meeting& meeting, unsigned threads) {
  const Unseen unseen;
  if (++meeting.arrived < threads) {
    meeting.waiting.push_back(running_);
  } else {
    meeting.arrived = 0;
    ready_.insert(ready_.end(), meeting.waiting.begin(), meeting.waiting.end());
    meeting.waiting.clear();
    ready_.push_back(running_);  // the last to come is not the first to go
  }
  return threads_[running_].fiber.get();
}

void Block::sync() {
  meet(barrier_, unsigned(threads_.size()));
}

std::uint64_t Block::exchange(std::uint64_t mine, unsigned from) {
  const unsigned thread = running();
  Warp& warp = warps_[thread / warp_threads];
  std::uint64_t* const slots = warp.slots[threads_[thread].exchanges++ % 2];
  slots[thread % warp_threads] = mine;
  meet(warp.meeting, warp_threads);
  return slots[from % warp_threads];
}

std::byte* Block::shared(std::size_t bytes, std::size_t alignment) {
  std::size_t& used = threads_[running()].shared;
  used = (used + alignment - 1) / alignment * alignment;
  std::byte* const at = shared_.data() + used;
  used += bytes;
  if (used > shared_.size()) fail(launch_failed, "more shared memory than a block has: bytes", used);
  return at;
}

void Block::fail(Result result, const char* what, std::uint64_t number) {
  Fiber* failed = nullptr;
  {
    const Unseen unseen;
    fault_ = {result,
              place() + ", thread " + std::to_string(running_) + ": " + what + " " + std::to_string(number)};
    failed = threads_[running_].fiber.get();
  }
  leave_at(this);
  failed->leave();
}

std::string Block::place() const {
  return std::string(launch_.kernel) + ", block " + std::to_string(at_.x) + "," + std::to_string(at_.y) +
         "," + std::to_string(at_.z);
}

Fault Block::who_waits() const {
  std::size_t waiting = barrier_.waiting.size();
  for (const Warp& warp : warps_) waiting += warp.meeting.waiting.size();
  if (waiting == 0) return {};
  return {launch_failed,
          place() + ": " + std::to_string(waiting) + " threads wait for others that do not come"};
}

}  // namespace troupe::kernels::cuda::emulated
