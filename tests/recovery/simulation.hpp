// A replica that lives through everything that a seed has in store for it: the membership, scheduler, block pools and
// requests that serve, before simulated processes, nodes and links, in one loop of mail. Checks that every request ends
// once and with its bytes, but one that kills is quarantined, that epochs only grow and no step has ranks of two, that no block leaks, and that the replica
// serves in the end or has given up for a stated reason.
#pragma once

#include <cstdint>
#include <string>

namespace troupe::simulation {

struct Outcome {
  std::string broken;   // what did not hold; empty: all did
  std::string gave_up;  // why; empty: it serves
  std::uint64_t epochs = 0, restarts = 0, tokens = 0, mails = 0;
  bool had_killer = false;       // a sequence of which processes died
  int innocent = 0, guilty = 0;  // sequences that were quarantined
  int faults = 0;
};

// The same seed always lives through the same.
Outcome simulate(std::uint64_t seed);

}  // namespace troupe::simulation
