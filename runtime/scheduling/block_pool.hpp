// The KV blocks of one attention group and the prefix cache over them. Owned by one KvBlockManager (or
// simulator); not thread-safe.
#pragma once

#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/scheduling/blocks.hpp"

namespace troupe::runtime {

class BlockPool {
 public:
  // generation: of the requests that it serves until the first reset.
  BlockPool(std::int32_t blocks, std::int32_t block_size, bool prefix_caching = true,
            std::uint64_t generation = 0);

  // Always grants the first want if it is also the last in the preemption order and the pool has as many
  // blocks as that sequence may ever need. CHECKs that a request speaks of blocks which are held. A request
  // of another generation speaks of blocks that are void: it changes nothing and is granted nothing.
  BlockReply reserve(const BlockRequest& request);
  // All blocks and hashes are void (the storage behind them is gone); nobody holds anything any more.
  // generation: of the requests from now on; it only grows.
  void reset(std::uint64_t generation);
  PoolUsage usage() const;
  // CHECKs every invariant: each block free, cached or held; counts
  // agree; no hash without a block. For tests and fault drills.
  void check() const;

 private:
  // Of a block: free (no hash, no holder), cached (hash, no holder) or held (holders, perhaps a hash).
  struct Block {
    std::int32_t holders = 0;
    std::optional<BlockHash> hash;
    std::list<BlockId>::iterator place;  // in cached_, while it is cached
  };
  struct Holding {
    std::vector<BlockId> blocks;   // the sequence's block table
    std::uint64_t granted_in = 0;  // request that last granted it something
  };
  class Victims;  // who may be preempted in one request

  void fill(const FilledBlock& filled);
  void release(SequenceId sequence);
  // Empty: there is no room for it, and nothing has changed.
  std::optional<BlockGrant> grant(const BlockWant& want, Victims& victims);
  std::vector<BlockId> cached_prefix(const BlockWant& want) const;
  std::int32_t available() const { return std::int32_t(free_.size() + cached_.size()); }
  void hold(BlockId block);
  void let_go(const std::vector<BlockId>& blocks);
  void put_back(BlockId block);
  BlockId take();

  std::int32_t block_size_;  // tokens
  bool prefix_caching_;
  std::vector<Block> blocks_;
  std::vector<BlockId> free_;  // the last one is taken first
  std::list<BlockId> cached_;  // least recently used first
  std::unordered_map<BlockHash, BlockId, HashOfBlockHash> by_hash_;
  std::unordered_map<SequenceId, Holding> held_;
  std::uint64_t requests_ = 0;
  std::uint64_t prefix_queries_ = 0, prefix_hits_ = 0;  // tokens
  std::uint64_t generation_;
};

}  // namespace troupe::runtime
