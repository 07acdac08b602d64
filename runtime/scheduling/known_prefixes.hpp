// A guess at which blocks the prefix cache of an attention group holds, for whom its pool is too far to ask:
// the last that it was told of. Owned by the group's scheduler; not thread-safe.
#pragma once

#include <list>
#include <span>
#include <unordered_map>

#include "runtime/scheduling/blocks.hpp"

namespace troupe::runtime {

class KnownPrefixes {
 public:
  // The youngest from now on; the oldest beyond the limit is forgotten.
  void remember(const BlockHash& hash) {
    if (const auto known = places_.find(hash); known != places_.end()) {
      oldest_first_.splice(oldest_first_.end(), oldest_first_, known->second);
      return;
    }
    places_.emplace(hash, oldest_first_.insert(oldest_first_.end(), hash));
    forget_beyond_limit();
  }

  // Blocks in all; 0 at first.
  void limit(std::size_t blocks) {
    limit_ = blocks;
    forget_beyond_limit();
  }

  // How many of a sequence's blocks are known, from its start. before: what that was when it was asked for last, so that not
  // all of them are looked up again; where the start alone has been forgotten since, it is too much.
  std::size_t length(std::span<const BlockHash> prefix, std::size_t before = 0) const {
    std::size_t blocks = before > 0 && places_.contains(prefix[before - 1]) ? before : 0;
    while (blocks < prefix.size() && places_.contains(prefix[blocks])) ++blocks;
    return blocks;
  }

  void clear() {
    places_.clear();
    oldest_first_.clear();
  }

 private:
  void forget_beyond_limit() {
    while (places_.size() > limit_) {
      places_.erase(oldest_first_.front());
      oldest_first_.pop_front();
    }
  }

  std::size_t limit_ = 0;
  std::list<BlockHash> oldest_first_;
  std::unordered_map<BlockHash, std::list<BlockHash>::iterator, HashOfBlockHash> places_;
};

}  // namespace troupe::runtime
