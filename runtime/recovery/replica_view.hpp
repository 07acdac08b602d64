// How a replica is, for whoever asks. Plain values.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/clock.hpp"
#include "runtime/base/ticks.hpp"

namespace troupe::runtime {

enum class RankState : std::uint8_t {
  absent,    // it has no process, and gets one when its node is there and its pause is over
  starting,  // its process was ordered, and has no link yet
  loading,   // it was told to read its weights
  ready,     // it has them and serves no epoch
  joining,   // it meets the other ranks
  serving,   // it has met them
  cut_off,   // its link broke; its process may live
  dead,      // its life is over, or its process is condemned
};
constexpr std::size_t rank_states = 8;
constexpr const char* to_string(RankState state) {
  constexpr std::array names{"absent",  "starting", "loading", "ready",
                             "joining", "serving",  "cut_off", "dead"};
  static_assert(names.size() == rank_states);
  return names[std::size_t(state)];
}

enum class ReplicaState : std::uint8_t { loading, serving, recovering, failed };
constexpr const char* to_string(ReplicaState state) {
  constexpr std::array names{"loading", "serving", "recovering", "failed"};
  return names[std::size_t(state)];
}

enum class FaultKind : std::uint8_t {
  exited,        // the process ended
  device_error,  // likewise, since its device had failed
  stopped,       // a hang, as the three of Hang
  stuck,
  asleep,
  load_failed,  // a worker could not read what others could
  cut_off,      // a link broke, and its worker did not die
  node_lost,
  collective_blocked,  // all ranks waited
  collective_failed,   // and nobody was found who is at fault
  plan_refused,        // a rank had not heard of a step, or of a sequence
  scheduler_died,
  kv_block_manager_died,
};
constexpr const char* to_string(FaultKind kind) {
  constexpr std::array names{"exited",
                             "device_error",
                             "stopped",
                             "stuck",
                             "asleep",
                             "load_failed",
                             "cut_off",
                             "node_lost",
                             "collective_blocked",
                             "collective_failed",
                             "plan_refused",
                             "scheduler_died",
                             "kv_block_manager_died"};
  return names[std::size_t(kind)];
}

struct FaultView {
  std::optional<std::int32_t> rank;  // the culprit's, if it is known
  FaultKind kind = FaultKind::exited;
  Tick last;                          // of the culprit
  Duration detected{};                // from the fault, or from the last sign of life, to its detection
  std::optional<Duration> recovered;  // from the detection until serving again; unset: not yet
};

struct RankView {
  std::int32_t rank = 0, node = 0;
  pid_t pid = 0;  // of its process, on its node
  RankState state = RankState::absent;
  StepId step = 0;                 // the last one begun in this epoch; 0: none
  std::uint64_t restarts = 0;      // since the replica began
  std::uint64_t loaded_bytes = 0;  // of weights, by its process
  std::optional<FaultView> last_fault{};
};

struct ReplicaView {
  Epoch epoch = 0;
  ReplicaState state = ReplicaState::loading;
  std::vector<RankView> ranks;
  std::optional<FaultView> last_fault;
  std::string arithmetic{};                             // of all ranks; empty: not known yet
  std::optional<std::uint64_t> gpu_memory_available{};  // bytes, on the GPU that has least; unset: not known
};

}  // namespace troupe::runtime
