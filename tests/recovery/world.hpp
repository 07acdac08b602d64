// What the parts of a simulated replica share: the loop of mail, the links, and where ranks meet. And what may go wrong.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <stdexcept>

#include "runtime/recovery/membership.hpp"
#include "runtime/scheduling/scheduler.hpp"
#include "tests/recovery/links.hpp"

namespace troupe::simulation {

// What a seed breaks is told by throwing it.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline void expect(bool holds, const std::string& what) {
  if (!holds) throw Broken(what);
}

constexpr Duration hang_limit = milliseconds(400), node_tick = milliseconds(100);

struct Process;

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}

  Random random;
  Mail mail{random};
  Links links{mail, random};

  // Drawn once.
  std::int32_t tensor_parallel = 1, data_parallel = 1, nodes = 1;
  runtime::SchedulerLimits limits;
  std::int32_t blocks = 0;    // of each group
  bool peers_notice = false;  // a rank whose peer died in a collective hears of it, as over TCP

  std::int32_t ranks() const { return tensor_parallel * data_parallel; }
  std::int32_t ranks_of_node() const { return ranks() / nodes; }

  // Who has come to meet in an epoch, and to a collective of one. One a step: how many there really are does not matter.
  std::map<Epoch, std::vector<Process*>> meetings;
  std::map<std::pair<Epoch, StepId>, std::vector<Process*>> collectives;
  std::set<std::pair<Epoch, StepId>> complete;  // all have come

  // What goes wrong for a while.
  TimePoint cannot_meet_until{}, no_room_until{}, cannot_load_until{};
  const Process* loses_step = nullptr;  // does not hear of the next one
  std::pair<Epoch, StepId> lost_step;   // the last that somebody did not hear of
  std::int32_t crashes_at_start = 0;    // of so many processes, one after the other
  // A process dies of a step with this sequence and this row of its prompt; 0: there is none.
  SequenceId killer = 0;
  std::int32_t killing_row = 0;
};

}  // namespace troupe::simulation
