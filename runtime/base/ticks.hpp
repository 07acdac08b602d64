// What a compute thread is at, in memory that another process may read, also while this one is stopped: the
// difference between a rank that is slow and one that hangs. Written by the compute thread and its pool, and where in
// a step it is by the device that does the work; read by anybody. A reader may see a mix of two neighbouring ticks,
// which is as good as either.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/base/device_fault.hpp"
#include "runtime/base/ids.hpp"

namespace troupe {

enum class Activity : std::uint8_t {
  idle,        // waits for orders
  starting,    // takes its device, of which nothing is heard meanwhile
  loading,     // reads weights
  joining,     // meets the other ranks of an epoch
  computing,   // runs a step
  collective,  // as computing, and the work waits in one for the other ranks
};
constexpr const char* to_string(Activity activity) {
  constexpr const char* names[]{"idle", "starting", "loading", "joining", "computing", "collective"};
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
  DeviceFault device{};  // of which the process ends, or has ended; of no kind: what its device is at
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Tick& x) {
  return f(x.count, x.epoch, x.step, x.layer, x.collectives, x.activity, x.collective, x.loaded_bytes,
           x.device);
}

// Where in a step the work is, as one word, which a device can write.
struct StepPlace {
  std::uint32_t changes = 0;      // of places since the board was made, modulo 2^24
  std::int32_t layer = -1;        // below 2^12 - 1; -1: outside the layers
  std::uint32_t collectives = 0;  // begun in this step, modulo 2^24
  Collective collective = Collective::none;

  std::uint64_t word() const {
    return std::uint64_t{changes & 0xffffff} << 40 | std::uint64_t(std::uint32_t(layer + 1) & 0xfff) << 28 |
           std::uint64_t{collectives & 0xffffff} << 4 | std::uint64_t(collective);
  }
  static StepPlace of(std::uint64_t word) {
    return {std::uint32_t(word >> 40), std::int32_t(word >> 28 & 0xfff) - 1,
            std::uint32_t(word >> 4 & 0xffffff), Collective(word & 0xf)};
  }
};

// Lies in shared memory as it is.
struct TickBoard {
  std::atomic<std::uint64_t> count{0};  // grows with each change of activity, and with each piece of work
  std::atomic<Epoch> epoch{0};
  std::atomic<StepId> step{0};                     // the last one begun; 0: none in this epoch
  std::atomic<Activity> activity{Activity::idle};  // of the compute thread
  std::atomic<std::uint64_t> place{0};  // a StepPlace, which the work itself says on its way: see Queue::set
  std::atomic<std::uint64_t> loaded_bytes{0};  // weights read since the process began
  DeviceFaultNote device_fault;                // of the compute thread, or of its queue

  void piece_done() { count.fetch_add(1, std::memory_order_relaxed); }  // any thread
  void enter(Activity now) {
    activity.store(now, std::memory_order_relaxed);
    piece_done();
  }
  // Nothing of an earlier step is under way.
  void begin_step(Epoch in, StepId begun) {
    epoch.store(in, std::memory_order_relaxed);
    step.store(begun, std::memory_order_relaxed);
    enqueued_ = {enqueued_.changes, -1, 0, Collective::none};
    place.store(moved(), std::memory_order_relaxed);
    enter(Activity::computing);
  }
  // The words for place that belong between what was enqueued and what will be; of the compute thread alone.
  std::uint64_t at_layer(std::int32_t index) {
    enqueued_.layer = index;
    return moved();
  }
  std::uint64_t in_collective(Collective which) {
    ++enqueued_.collectives;
    enqueued_.collective = which;
    return moved();
  }
  std::uint64_t behind_collective() {
    enqueued_.collective = Collective::none;
    return moved();
  }

  Tick read() const {
    const StepPlace at = StepPlace::of(place);
    const Activity now = activity;
    const bool waits = now == Activity::computing && at.collective != Collective::none;
    return {count + at.changes,
            epoch,
            step,
            at.layer,
            at.collectives,
            waits ? Activity::collective : now,
            waits ? at.collective : Collective::none,
            loaded_bytes,
            device_fault.read()};
  }

 private:
  std::uint64_t moved() {
    ++enqueued_.changes;
    return enqueued_.word();
  }

  StepPlace enqueued_;  // what was enqueued last says so
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

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
