// The message pair between scheduler and block pool, once a step and attention group.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::runtime {

// Names a full block by its salt, its arithmetic class and every token up to its end (SHA-256 chain).
using BlockHash = std::array<std::uint8_t, 32>;
struct HashOfBlockHash {  // any bytes of it will do
  std::size_t operator()(const BlockHash& hash) const {
    std::size_t start = 0;
    std::memcpy(&start, hash.data(), sizeof start);
    return start;
  }
};

// A wish for room. The pool answers a sequence that holds nothing with the longest cached prefix it has.
struct BlockWant {
  SequenceId sequence = 0;
  std::int32_t computed = 0;  // tokens in the cache already; 0 for a sequence that holds no blocks, but one
                              // that holds some may have had its first step interrupted
  std::int32_t new_tokens =
      0;  // to be computed in this step, drafts among them, after whatever prefix is found cached
  std::int32_t length =
      0;  // tokens known by then, and drafts; a cached prefix is at most length - 1, so that one is computed
  std::int32_t ahead =
      0;  // positions behind those new tokens that need room, too, if there is a place for them
  std::int32_t known_blocks = 0;  // of its block table; the grant tells those behind
  std::vector<BlockHash> prefix;  // only if it holds no blocks: hashes of its full blocks from the start
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, BlockWant& x) {
  return f(x.sequence, x.computed, x.new_tokens, x.length, x.ahead, x.known_blocks, x.prefix);
}

// A block that a committed step filled; from now on others may share it.
struct FilledBlock {
  SequenceId sequence = 0;
  std::int32_t index = 0;  // in the sequence's block table
  BlockHash hash{};
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, FilledBlock& x) {
  return f(x.sequence, x.index, x.hash);
}

// Applied in this order: filled, released, wants.
struct BlockRequest {
  GroupId group = 0;
  std::uint64_t generation = 0;  // of the group's cache; a pool of another one takes and grants nothing
  std::vector<FilledBlock> filled;
  std::vector<SequenceId> released;
  std::vector<BlockWant> wants;  // most urgent first
  // Who gives up blocks, first victim first; holds every sequence with blocks and every wanter. A wanter
  // takes from those before itself here, never from itself, from those behind it, or from one that this
  // request has granted. Who gave up blocks gets none in the same request.
  std::vector<SequenceId> preemption_order;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, BlockRequest& x) {
  return f(x.group, x.generation, x.filled, x.released, x.wants, x.preemption_order);
}

struct BlockGrant {
  SequenceId sequence = 0;
  std::int32_t computed = 0;    // tokens in the cache, a found prefix included
  std::int32_t new_tokens = 0;  // min(wanted, length - computed)
  std::vector<BlockId>
      blocks;  // behind the known ones; all of them together cover computed + new_tokens, and what was wanted ahead
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, BlockGrant& x) {
  return f(x.sequence, x.computed, x.new_tokens, x.blocks);
}

struct PoolUsage {
  std::int32_t total = 0, used = 0;                   // blocks; cached ones that nobody holds count as free
  std::uint64_t prefix_queries = 0, prefix_hits = 0;  // tokens, since the pool was made
  std::uint64_t generation = 0;                       // of the cache; raised when all blocks became void
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, PoolUsage& x) {
  return f(x.total, x.used, x.prefix_queries, x.prefix_hits, x.generation);
}

struct BlockReply {
  GroupId group = 0;
  std::uint64_t generation = 0;       // the request's
  std::vector<BlockGrant> grants;     // in the wants' order; a want without one gets nothing in this step
  std::vector<SequenceId> preempted;  // hold no blocks any more
  PoolUsage usage;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, BlockReply& x) {
  return f(x.group, x.generation, x.grants, x.preempted, x.usage);
}

}  // namespace troupe::runtime
