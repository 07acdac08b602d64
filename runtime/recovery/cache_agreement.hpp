// How many KV blocks each rank of a replica has: as many as the one with the least room for them, which is known when
// all have read their weights. Then it stays, however ranks come back. Owned by the replica's supervisor; not
// thread-safe.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "runtime/recovery/worker_life.hpp"

namespace troupe::runtime {

class CacheAgreement {
 public:
  explicit CacheAgreement(std::int32_t ranks) : ranks_(std::size_t(ranks)) {}

  // Of each rank; 0 while one has not told its room.
  std::int32_t blocks() const { return blocks_; }

  // A rank has room for so many, at least one. Returns who may make its storage now: nobody while a rank is missing,
  // all when the last one tells, then each that tells again, as after a restart.
  std::vector<WorkerLife> told(const WorkerLife& life, std::int32_t room) {
    if (blocks_ > 0) return {life};
    ranks_[std::size_t(life.rank)] = Told{life, room};
    if (!std::ranges::all_of(ranks_, [](const auto& each) { return each.has_value(); })) return {};
    std::vector<WorkerLife> all;
    for (const std::optional<Told>& each : ranks_) {
      blocks_ = blocks_ == 0 ? each->room : std::min(blocks_, each->room);
      all.push_back(each->life);
    }
    return all;
  }

 private:
  struct Told {
    WorkerLife life;
    std::int32_t room = 0;
  };
  std::vector<std::optional<Told>> ranks_;
  std::int32_t blocks_ = 0;
};

}  // namespace troupe::runtime
