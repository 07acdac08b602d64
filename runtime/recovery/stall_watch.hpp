// Finds a replica in which all ranks wait for each other. Every single rank is excused, since it waits; together
// they stand still. Owned by the membership; no clock of its own.
//
// All ranks wait, and nothing has moved for the limit: the one furthest behind is at fault, or, if none is, what is
// between them. They meet anew, which harms nobody if it was only slow; one that was behind in the stall before, too,
// is started again. Transfers that only take long are given twice as long each time.
#pragma once

#include <optional>
#include <vector>

#include "runtime/recovery/worker_life.hpp"

namespace troupe::runtime {

// What was last heard of a rank, from its node.
struct Heard {
  WorkerSeen seen;
  TimePoint at{};
};

class StallWatch {
 public:
  explicit StallWatch(Duration limit) : limit_(limit) {}

  struct Stall {
    std::optional<std::int32_t> culprit;  // the rank furthest behind; unset: none is
    bool again = false;                   // it was so in the stall before, in the same row
    Duration still{};                     // since anything moved
  };
  // ranks: all, by rank, which serve the epoch. Empty optional: some rank may move yet.
  std::optional<Stall> look(TimePoint now, Epoch epoch, const std::vector<const Heard*>& ranks);

  // What a node said long ago is no evidence: it may be cut off.
  bool heard_lately(TimePoint now, const Heard& rank) const { return now - rank.at <= limit_ / 2; }
  // How long a rank has been in a wait for others, or without orders, for all that is known.
  Duration waited(TimePoint now, const Heard& rank) const {
    return heard_lately(now, rank) ? rank.seen.waited : Duration{};
  }

 private:
  Duration patience() const;

  const Duration limit_;  // of a hang
  int stalls_ = 0;        // in a row
  TimePoint last_{};
  std::optional<std::int32_t> culprit_;  // of the last one in the row
};

}  // namespace troupe::runtime
