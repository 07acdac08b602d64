// What a compute thread is at, in memory that another process may read, also while this one is stopped: the
// difference between a rank that is slow and one that hangs. Written by the compute thread and its pool, read
// by anybody. A reader may see a mix of two neighbouring ticks, which is as good as either.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "runtime/base/ids.hpp"

namespace troupe {

enum class Activity : std::uint8_t {
  idle,        // waits for orders
  loading,     // reads weights
  joining,     // meets the other ranks of an epoch
  computing,   // runs a step
  collective,  // waits in one for the other ranks
};
constexpr const char* to_string(Activity activity) {
  constexpr const char* names[]{"idle", "loading", "joining", "computing", "collective"};
  return names[std::size_t(activity)];
}

enum class Collective : std::uint8_t { none, all_reduce, all_gather, dispatch, combine };
constexpr const char* to_string(Collective collective) {
  constexpr const char* names[]{"none", "all_reduce", "all_gather", "dispatch", "combine"};
  return names[std::size_t(collective)];
}

// What a TickBoard said at one moment.
struct Tick {
  std::uint64_t count = 0;
  Epoch epoch = 0;
  StepId step = 0;
  std::int32_t layer = -1;
  std::uint32_t collectives = 0;
  Activity activity = Activity::idle;
  Collective collective = Collective::none;
  std::uint64_t loaded_bytes = 0;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Tick& x) {
  return f(x.count, x.epoch, x.step, x.layer, x.collectives, x.activity, x.collective, x.loaded_bytes);
}

// All zero when new. Lies in shared memory as it is.
struct TickBoard {
  std::atomic<std::uint64_t> count{0};  // grows with each change of the others, and with each piece of work
  std::atomic<Epoch> epoch{0};
  std::atomic<StepId> step{0};                // the last one begun; 0: none in this epoch
  std::atomic<std::int32_t> layer{-1};        // -1: outside the layers
  std::atomic<std::uint32_t> collectives{0};  // begun in this step
  std::atomic<Activity> activity{Activity::idle};
  std::atomic<Collective> collective{Collective::none};  // of activity collective
  std::atomic<std::uint64_t> loaded_bytes{0};            // weights read since the process began

  void piece_done() { count.fetch_add(1, std::memory_order_relaxed); }  // any thread
  void enter(Activity now) {
    activity.store(now, std::memory_order_relaxed);
    piece_done();
  }
  void begin_step(Epoch in, StepId begun) {
    epoch.store(in, std::memory_order_relaxed);
    step.store(begun, std::memory_order_relaxed);
    layer.store(-1, std::memory_order_relaxed);
    collectives.store(0, std::memory_order_relaxed);
    enter(Activity::computing);
  }
  void begin_layer(std::int32_t index) {
    layer.store(index, std::memory_order_relaxed);
    piece_done();
  }
  void begin_collective(Collective which) {
    collective.store(which, std::memory_order_relaxed);
    collectives.fetch_add(1, std::memory_order_relaxed);
    enter(Activity::collective);
  }
  void end_collective() {
    collective.store(Collective::none, std::memory_order_relaxed);
    enter(Activity::computing);
  }

  Tick read() const { return {count, epoch, step, layer, collectives, activity, collective, loaded_bytes}; }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::is_standard_layout_v<TickBoard>);

// Something on a board for as long as it lives; afterwards the board says what it said before, whatever
// happened. board: may be null, outlives it.
class Doing {
 public:
  Doing(TickBoard* board, Activity what) : Doing(board) {
    if (board_) board_->enter(what);
  }
  Doing(TickBoard* board, Epoch epoch, StepId step) : Doing(board) {  // a step
    if (board_) board_->begin_step(epoch, step);
  }
  ~Doing() {
    if (board_) board_->enter(before_);
  }
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;

 private:
  explicit Doing(TickBoard* board) : board_(board) {
    if (board_) before_ = board_->activity;
  }

  TickBoard* board_;
  Activity before_ = Activity::idle;
};

}  // namespace troupe
