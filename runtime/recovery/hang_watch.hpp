// Tells a worker process that hangs from one that is slow, by its ticks and by what the kernel says of it.
//
// A worker hangs when nothing has moved for the limit although it could have: it was stopped (SIGSTOP, a debugger), it
// used the CPU without finishing a piece of work (a stuck kernel), or it slept outside of any wait for other
// ranks (a deadlock). Time in which it wanted a CPU and got none, or waited for a disk, is not held against
// it. A wait for other ranks is only measured here: see find_culprit. A device may take its time to start.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "runtime/base/clock.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::runtime {

struct ProcessSample {
  enum class State { sleeping, runnable, disk, stopped };  // of its most active thread; stopped: all of them
  State state = State::sleeping;
  Duration cpu{};  // used since the process began, all threads
};
// letters: of its threads, as proc(5) has them; those that have ended do not count.
ProcessSample::State state_of_threads(std::string_view letters);
// Empty: the process is gone.
std::optional<ProcessSample> sample_process(pid_t pid);

enum class Hang { stopped, busy, asleep };
constexpr const char* to_string(Hang hang) {
  constexpr const char* names[]{"stopped", "stuck", "asleep"};
  return names[std::size_t(hang)];
}

// What a process may take for its device without a tick: a driver that starts, kernels that are loaded.
constexpr Duration longest_start = std::chrono::seconds(60);

// Of one process; owned by the thread that looks, several times within the limit.
class HangWatch {
 public:
  explicit HangWatch(Duration limit) : limit_(limit) {}

  // sample is asked only when the ticks have been silent for a while. A hang is told again after each further
  // limit, for who did not hear of it.
  std::optional<Hang> look(TimePoint now, const Tick& tick,
                           const std::function<std::optional<ProcessSample>()>& sample);
  // How much of the silence it spent in a wait for others, asleep or asking its device, or asleep without orders.
  Duration waited() const { return waited_; }
  // As of the last look; none before the first one.
  Duration silence(TimePoint now) const { return last_ ? now - moved_ : Duration{}; }

 private:
  bool begin(TimePoint now, const Tick& tick);

  Duration limit_;
  std::optional<Tick> last_;
  TimePoint moved_{}, looked_{};
  std::optional<ProcessSample> sampled_;
  Duration held_against_{};  // of the silence: time in which it could have moved
  Duration waited_{};
};

// A rank in a step that does not move.
struct RankTick {
  std::int32_t rank = 0;
  Tick tick;
};
// Among ranks that all wait: the one that is furthest behind in the step, for which the others wait. Empty:
// all are equally far, so that no rank is at fault but what is between them.
std::optional<std::int32_t> find_culprit(std::span<const RankTick> ranks);

}  // namespace troupe::runtime
