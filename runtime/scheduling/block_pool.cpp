#include "runtime/scheduling/block_pool.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace troupe::runtime {

// Walks the preemption order once a request: whoever cannot be a victim now cannot become one later in it.
class BlockPool::Victims {
 public:
  Victims(BlockPool& pool, const BlockRequest& request) : pool_(pool), request_(request) {}

  // Makes `needed` blocks available at the cost of those before
  // `wanter`; false: they have not got enough, and keep all.
  bool make_room(std::int32_t needed, SequenceId wanter) {
    if (needed <= pool_.available()) return true;
    // Blocks that only victims share come free with the last of them, hence counting by trial.
    std::int32_t available = pool_.available();
    std::vector<SequenceId> chosen;
    const std::size_t end = rank(wanter);
    std::size_t at = next_;
    for (; at < end && available < needed; ++at) {
      const SequenceId candidate = request_.preemption_order[at];
      const auto found = pool_.held_.find(candidate);
      if (found == pool_.held_.end() || found->second.granted_in == pool_.requests_) continue;
      chosen.push_back(candidate);
      for (BlockId block : found->second.blocks)
        if (--pool_.blocks_[std::size_t(block)].holders == 0) ++available;
    }
    for (SequenceId victim : chosen)
      for (BlockId block : pool_.held_.at(victim).blocks) ++pool_.blocks_[std::size_t(block)].holders;
    if (available < needed) return false;
    for (SequenceId victim : chosen) pool_.release(victim);
    preempted_.insert(preempted_.end(), chosen.begin(), chosen.end());
    next_ = at;
    return true;
  }

  std::vector<SequenceId>& preempted() { return preempted_; }

 private:
  std::size_t rank(SequenceId sequence) {
    if (ranks_.empty())
      for (std::size_t i = 0; i < request_.preemption_order.size(); ++i)
        ranks_.emplace(request_.preemption_order[i], i);
    const auto found = ranks_.find(sequence);
    CHECK(found != ranks_.end(), "a wanter is missing from the preemption order");
    return found->second;
  }

  BlockPool& pool_;
  const BlockRequest& request_;
  std::unordered_map<SequenceId, std::size_t> ranks_;  // made when first needed
  std::size_t next_ = 0;                               // all before it hold nothing, or were granted
  std::vector<SequenceId> preempted_;
};

BlockPool::BlockPool(std::int32_t blocks, std::int32_t block_size, bool prefix_caching,
                     std::uint64_t generation)
    : block_size_(block_size), prefix_caching_(prefix_caching), generation_(generation) {
  CHECK(blocks > 0 && block_size > 0);
  blocks_.resize(std::size_t(blocks));
  for (BlockId block = blocks; block-- > 0;) free_.push_back(block);
}

BlockReply BlockPool::reserve(const BlockRequest& request) {
  BlockReply reply{request.group, request.generation, {}, {}, usage()};
  if (request.generation != generation_) return reply;
  ++requests_;
  for (const FilledBlock& filled : request.filled) fill(filled);
  for (SequenceId sequence : request.released) release(sequence);
  Victims victims(*this, request);
  reply.grants.reserve(request.wants.size());
  for (const BlockWant& want : request.wants)
    if (auto granted = grant(want, victims)) reply.grants.push_back(std::move(*granted));
  reply.preempted = std::move(victims.preempted());
  reply.usage = usage();
  return reply;
}

void BlockPool::fill(const FilledBlock& filled) {
  if (!prefix_caching_) return;
  const auto holding = held_.find(filled.sequence);
  CHECK(holding != held_.end() && std::size_t(filled.index) < holding->second.blocks.size(),
        "a block was filled that its sequence does not hold");
  const BlockId id = holding->second.blocks[std::size_t(filled.index)];
  Block& block = blocks_[std::size_t(id)];
  CHECK(!block.hash, "a block was filled twice");
  // Another sequence may have filled a block of the same content first; that one stays the shared one.
  if (by_hash_.emplace(filled.hash, id).second) block.hash = filled.hash;
}

void BlockPool::release(SequenceId sequence) {
  if (auto node = held_.extract(sequence)) let_go(node.mapped().blocks);
}

std::optional<BlockGrant> BlockPool::grant(const BlockWant& want, Victims& victims) {
  const auto holding = held_.find(want.sequence);
  const bool holds = holding != held_.end();
  if (!holds && std::ranges::count(victims.preempted(), want.sequence) > 0) return std::nullopt;
  CHECK(holds || want.computed == 0, "blocks are wanted behind blocks not held");
  const std::vector<BlockId> prefix = holds ? std::vector<BlockId>{} : cached_prefix(want);
  for (BlockId block : prefix) hold(block);

  BlockGrant granted{want.sequence, want.computed + std::int32_t(prefix.size()) * block_size_, 0, {}};
  granted.new_tokens = std::min(want.new_tokens, want.length - granted.computed);
  CHECK(granted.new_tokens > 0, "a want without new tokens");
  const std::int32_t tokens = granted.computed + granted.new_tokens + want.ahead;
  const auto have = std::int32_t(holds ? holding->second.blocks.size() : prefix.size());
  const std::int32_t more = (tokens + block_size_ - 1) / block_size_ - have;
  if (!victims.make_room(more, want.sequence)) {
    let_go(prefix);
    return std::nullopt;
  }
  Holding& own = holds ? holding->second : held_[want.sequence];
  if (!holds) own.blocks = prefix;
  for (std::int32_t i = 0; i < more; ++i) own.blocks.push_back(take());
  own.granted_in = requests_;
  if (!holds && prefix_caching_) {
    prefix_queries_ += std::uint64_t(want.length);
    prefix_hits_ += std::uint64_t(granted.computed);
  }
  CHECK(std::size_t(want.known_blocks) <= own.blocks.size(), "blocks are known that are not held");
  granted.blocks.assign(own.blocks.begin() + want.known_blocks, own.blocks.end());
  return granted;
}

std::vector<BlockId> BlockPool::cached_prefix(const BlockWant& want) const {
  std::vector<BlockId> found;
  if (!prefix_caching_) return found;
  const std::size_t most = std::min(want.prefix.size(), std::size_t((want.length - 1) / block_size_));
  for (std::size_t i = 0; i < most; ++i) {
    const auto cached = by_hash_.find(want.prefix[i]);
    if (cached == by_hash_.end()) break;
    found.push_back(cached->second);
  }
  return found;
}

void BlockPool::hold(BlockId id) {
  Block& block = blocks_[std::size_t(id)];
  if (block.holders++ == 0) cached_.erase(block.place);
}

// From the last block on, so that the end of a cached chain is evicted before what leads to it.
void BlockPool::let_go(const std::vector<BlockId>& blocks) {
  for (auto id = blocks.rbegin(); id != blocks.rend(); ++id)
    if (--blocks_[std::size_t(*id)].holders == 0) put_back(*id);
}

void BlockPool::put_back(BlockId id) {
  Block& block = blocks_[std::size_t(id)];
  if (block.hash)
    block.place = cached_.insert(cached_.end(), id);
  else
    free_.push_back(id);
}

BlockId BlockPool::take() {
  BlockId id = 0;
  if (!free_.empty()) {
    id = free_.back();
    free_.pop_back();
  } else {
    CHECK(!cached_.empty(), "no block is available");
    id = cached_.front();
    cached_.pop_front();
    by_hash_.erase(*blocks_[std::size_t(id)].hash);
    blocks_[std::size_t(id)].hash.reset();
  }
  blocks_[std::size_t(id)].holders = 1;
  return id;
}

void BlockPool::reset(std::uint64_t generation) {
  CHECK(generation > generation_, "generations only grow");
  generation_ = generation;
  held_.clear();
  by_hash_.clear();
  cached_.clear();
  free_.clear();
  std::ranges::fill(blocks_, Block{});
  for (auto block = BlockId(blocks_.size()); block-- > 0;) free_.push_back(block);
}

PoolUsage BlockPool::usage() const {
  const auto total = std::int32_t(blocks_.size());
  return {total, total - available(), prefix_queries_, prefix_hits_, generation_};
}

void BlockPool::check() const {
  std::vector<std::int32_t> holders(blocks_.size());
  for (const auto& [sequence, holding] : held_)
    for (BlockId block : holding.blocks) ++holders.at(std::size_t(block));
  std::vector<int> seen(blocks_.size());
  for (BlockId block : free_) {
    CHECK(++seen.at(std::size_t(block)) == 1, "a block is free twice");
    CHECK(!blocks_[std::size_t(block)].hash, "a free block has a hash");
  }
  for (auto place = cached_.begin(); place != cached_.end(); ++place) {
    CHECK(++seen.at(std::size_t(*place)) == 1, "a block is cached twice, or cached and free");
    CHECK(blocks_[std::size_t(*place)].hash, "a cached block has no hash");
    CHECK(blocks_[std::size_t(*place)].place == place, "a cached block does not know its place");
  }
  std::size_t hashes = 0;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    CHECK(blocks_[i].holders == holders[i], "holders are miscounted");
    CHECK((seen[i] == 1) == (holders[i] == 0), "a block is neither available nor held, or both");
    if (!blocks_[i].hash) continue;
    ++hashes;
    const auto found = by_hash_.find(*blocks_[i].hash);
    CHECK(found != by_hash_.end() && found->second == BlockId(i), "a hash does not lead to its block");
  }
  CHECK(hashes == by_hash_.size(), "a hash without a block");
}

}  // namespace troupe::runtime
