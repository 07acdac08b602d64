#include "runtime/scheduling/block_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/scheduling/prefix_hash.hpp"

namespace troupe::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::int32_t block_size = 4;

// Hashes of the full blocks of a sequence whose tokens are first, first + 1, ...
std::vector<BlockHash> chain(std::int32_t blocks, TokenId first = 0, std::string_view salt = "") {
  std::vector<BlockHash> hashes;
  BlockHash parent = prefix_root(salt);
  for (std::int32_t i = 0; i < blocks; ++i) {
    const std::vector<TokenId> tokens{first + 4 * i, first + 4 * i + 1, first + 4 * i + 2, first + 4 * i + 3};
    hashes.push_back(parent = prefix_hash(parent, ArithmeticClass::decode, tokens));
  }
  return hashes;
}

BlockWant first_want(SequenceId id, std::int32_t tokens, std::vector<BlockHash> prefix = {}) {
  return {id, 0, tokens, tokens, 0, 0, std::move(prefix)};
}

BlockReply ask(BlockPool& pool, std::vector<BlockWant> wants, std::vector<SequenceId> preemption_order,
               std::vector<SequenceId> released = {}, std::vector<FilledBlock> filled = {}) {
  BlockReply reply = pool.reserve(
      {0, 0, std::move(filled), std::move(released), std::move(wants), std::move(preemption_order)});
  pool.check();
  return reply;
}

// Sequence `id` computes `blocks` blocks of the chain, which enter the cache, and leaves.
void fill_cache(BlockPool& pool, SequenceId id, const std::vector<BlockHash>& hashes) {
  const auto blocks = std::int32_t(hashes.size());
  ASSERT_EQ(ask(pool, {first_want(id, blocks * block_size)}, {id}).grants.size(), 1u);
  std::vector<FilledBlock> filled;
  for (std::int32_t i = 0; i < blocks; ++i) filled.push_back({id, i, hashes[std::size_t(i)]});
  ask(pool, {}, {}, {id}, filled);
}

TEST(BlockPool, GrantsBlocksThatCoverTheTokensAndTakesThemBack) {
  BlockPool pool(8, block_size);
  BlockReply reply = ask(pool, {first_want(1, 5), first_want(2, 4)}, {2, 1});
  ASSERT_EQ(reply.grants.size(), 2u);
  EXPECT_THAT(reply.grants[0].blocks, ElementsAre(0, 1));
  EXPECT_THAT(reply.grants[1].blocks, ElementsAre(2));
  EXPECT_EQ(reply.usage.used, 3);
  reply = ask(pool, {{1, 5, 4, 9, 0, 0, {}}}, {1}, {2});
  EXPECT_THAT(reply.grants.at(0).blocks, ElementsAre(0, 1, 2));
  EXPECT_EQ(reply.grants[0].computed, 5);
  EXPECT_EQ(reply.grants[0].new_tokens, 4);
  EXPECT_THAT(ask(pool, {{1, 9, 4, 13, 0, 2, {}}}, {1}).grants.at(0).blocks, ElementsAre(2, 3))
      << "two are known";
  EXPECT_THAT(ask(pool, {{1, 13, 1, 14, 3, 4, {}}}, {1}).grants.at(0).blocks, ElementsAre(4))
      << "room for three more";
  EXPECT_EQ(ask(pool, {}, {}, {1, 99}).usage.used, 0);
}

TEST(BlockPool, GrantsAllOfAWantOrNothing) {
  BlockPool pool(4, block_size);
  BlockReply reply = ask(pool, {first_want(1, 8), first_want(2, 12), first_want(3, 8)}, {3, 2, 1});
  ASSERT_EQ(reply.grants.size(), 2u);
  EXPECT_EQ(reply.grants[0].sequence, 1u);
  EXPECT_EQ(reply.grants[1].sequence, 3u);
  EXPECT_THAT(reply.preempted, IsEmpty());
}

TEST(BlockPool, PreemptsInOrderAndNoMoreThanNeeded) {
  BlockPool pool(6, block_size);
  ask(pool, {first_want(1, 8), first_want(2, 8), first_want(3, 8)}, {3, 2, 1});
  const BlockReply reply =
      ask(pool, {{1, 8, 1, 9, 0, 0, {}}, {2, 8, 1, 9, 0, 0, {}}, {3, 8, 1, 9, 0, 0, {}}}, {3, 2, 1});
  EXPECT_THAT(reply.preempted, ElementsAre(3));  // its two blocks serve both; its own want gets nothing
  ASSERT_EQ(reply.grants.size(), 2u);
  EXPECT_EQ(reply.usage.used, 6);
}

TEST(BlockPool, GrantsNothingToWhomItHasPreempted) {
  BlockPool pool(4, block_size);
  ask(pool, {first_want(1, 8), first_want(2, 8)}, {2, 1});
  // 2 has computed nothing of what it holds: its step was interrupted.
  const BlockReply reply = ask(pool, {{1, 8, 1, 9, 0, 0, {}}, {2, 0, 4, 8, 0, 0, {}}}, {2, 1});
  EXPECT_THAT(reply.preempted, ElementsAre(2));
  ASSERT_EQ(reply.grants.size(), 1u);
  EXPECT_EQ(reply.grants[0].sequence, 1u);
}

TEST(BlockPool, PreemptsNobodyInVain) {
  BlockPool pool(6, block_size);
  ask(pool, {first_want(1, 16), first_want(3, 8)}, {3, 1});
  const BlockReply reply = ask(pool, {first_want(2, 12)}, {3, 2, 1});  // 3 has two blocks, three are needed
  EXPECT_THAT(reply.preempted, IsEmpty());
  EXPECT_THAT(reply.grants, IsEmpty());
}

TEST(BlockPool, NeverTakesFromTheMoreUrgentOrFromAGrantee) {
  BlockPool pool(4, block_size);
  ask(pool, {first_want(1, 8), first_want(2, 8)}, {2, 1});
  EXPECT_THAT(ask(pool, {first_want(3, 4)}, {3, 2, 1}).grants, IsEmpty());
  // 2 is granted first, so that 1, though behind it in the order of preemption, must not take from it.
  const BlockReply reply = ask(pool, {{2, 7, 1, 8, 0, 0, {}}, {1, 8, 1, 9, 0, 0, {}}}, {2, 1});
  ASSERT_EQ(reply.grants.size(), 1u);
  EXPECT_EQ(reply.grants[0].sequence, 2u);
  EXPECT_THAT(reply.preempted, IsEmpty());
}

TEST(BlockPool, CountsBlocksThatOnlyVictimsShare) {
  BlockPool pool(4, block_size);
  const auto hashes = chain(2);
  fill_cache(pool, 1, hashes);
  ask(pool, {first_want(2, 9, hashes), first_want(3, 9, hashes)}, {3, 2});  // share two, own one each
  const BlockReply reply = ask(pool, {first_want(4, 16)}, {3, 2, 4});
  EXPECT_THAT(reply.preempted, ElementsAre(3, 2));
  ASSERT_EQ(reply.grants.size(), 1u);
  EXPECT_EQ(reply.usage.used, 4);
}

TEST(BlockPool, FindsTheLongestCachedPrefixButLeavesATokenToCompute) {
  BlockPool pool(16, block_size);
  const auto hashes = chain(3);
  fill_cache(pool, 1, hashes);
  EXPECT_EQ(pool.usage().used, 0);
  BlockReply reply = ask(pool, {first_want(2, 13, hashes)}, {2});
  EXPECT_EQ(reply.grants.at(0).computed, 12);
  EXPECT_EQ(reply.grants[0].new_tokens, 1);
  EXPECT_THAT(reply.grants[0].blocks, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(reply.usage.prefix_queries, 12u + 13u);
  EXPECT_EQ(reply.usage.prefix_hits, 12u);
  reply = ask(pool, {first_want(3, 12, hashes)}, {3, 2});  // as long as the cached prefix
  EXPECT_EQ(reply.grants.at(0).computed, 8);
  EXPECT_EQ(reply.grants[0].new_tokens, 4);
  EXPECT_THAT(ask(pool, {first_want(4, 13, chain(3, 0, "salt"))}, {4, 3, 2}).grants.at(0).computed, 0);
}

TEST(BlockPool, EvictsTheLeastRecentlyUsedFromTheEndOfItsChain) {
  BlockPool pool(4, block_size);
  const auto old_chain = chain(2, 0), new_chain = chain(2, 100);
  fill_cache(pool, 1, old_chain);
  fill_cache(pool, 2, new_chain);
  EXPECT_THAT(ask(pool, {first_want(3, 4)}, {3}).grants.at(0).blocks, ElementsAre(1));  // the old chain's end
  ask(pool, {}, {}, {3});
  EXPECT_EQ(ask(pool, {first_want(4, 5, old_chain)}, {4}).grants.at(0).computed, 4);
  EXPECT_EQ(ask(pool, {first_want(5, 9, new_chain)}, {4, 5}, {4}).grants.at(0).computed, 8);
}

TEST(BlockPool, KeepsTheFirstOfTwoEqualBlocks) {
  BlockPool pool(8, block_size);
  const auto hashes = chain(1);
  ask(pool, {first_want(1, 5, hashes), first_want(2, 5, hashes)}, {2, 1});  // both compute it
  ask(pool, {}, {}, {}, {{1, 0, hashes[0]}, {2, 0, hashes[0]}});
  const BlockReply reply = ask(pool, {first_want(3, 5, hashes)}, {3, 2, 1}, {2});
  EXPECT_EQ(reply.grants.at(0).blocks.at(0), 0);  // the block of sequence 1
}

TEST(BlockPool, APreemptedSequenceFindsItsBlocksAgainWhileTheyAreCached) {
  BlockPool pool(4, block_size);
  const auto hashes = chain(3);
  ask(pool, {first_want(1, 12)}, {1});
  ask(pool, {first_want(2, 8)}, {1, 2}, {}, {{1, 0, hashes[0]}, {1, 1, hashes[1]}, {1, 2, hashes[2]}});
  EXPECT_EQ(ask(pool, {first_want(1, 12, hashes)}, {1}, {2}).grants.at(0).computed, 8);
}

TEST(BlockPool, WithoutPrefixCachingSharesNothing) {
  BlockPool pool(8, block_size, false);
  const auto hashes = chain(2);
  fill_cache(pool, 1, hashes);
  const BlockReply reply = ask(pool, {first_want(2, 9, hashes)}, {2});
  EXPECT_EQ(reply.grants.at(0).computed, 0);
  EXPECT_EQ(reply.usage.prefix_queries, 0u);
}

TEST(BlockPool, ResetVoidsBlocksAndHashes) {
  BlockPool pool(8, block_size);
  const auto hashes = chain(2);
  fill_cache(pool, 1, hashes);
  ask(pool, {first_want(2, 9, hashes)}, {2});
  pool.reset(5);
  pool.check();
  EXPECT_EQ(pool.usage().used, 0);
  EXPECT_EQ(pool.usage().generation, 5u);
  EXPECT_EQ(pool.reserve({0, 5, {}, {}, {first_want(3, 9, hashes)}, {3}}).grants.at(0).computed, 0);
}

TEST(BlockPool, TakesAndGrantsNothingInARequestOfAnotherGeneration) {
  BlockPool pool(8, block_size, true, 4);
  ASSERT_EQ(pool.reserve({2, 4, {}, {}, {first_want(1, 5)}, {1}}).grants.size(), 1u);
  for (std::uint64_t other : {3, 5}) {
    const BlockReply reply = pool.reserve({2, other, {{7, 0, {}}}, {1}, {first_want(2, 4)}, {2, 1}});
    EXPECT_EQ(reply.group, 2u);
    EXPECT_EQ(reply.generation, other);
    EXPECT_THAT(reply.grants, IsEmpty());
    EXPECT_EQ(reply.usage.used, 2);
  }
}

TEST(BlockPoolDeathTest, NamesBrokenRequests) {
  BlockPool pool(4, block_size);
  EXPECT_DEATH(pool.reserve({0, 0, {{7, 0, {}}}, {}, {}, {}}), "filled that its sequence does not hold");
  EXPECT_DEATH(pool.reserve({0, 0, {}, {}, {{7, 3, 1, 4, 0, 0, {}}}, {7}}), "behind blocks not held");
  EXPECT_DEATH(pool.reserve({0, 0, {}, {}, {first_want(7, 100)}, {}}), "missing from the preemption order");
  EXPECT_DEATH(pool.reserve({0, 0, {}, {}, {{7, 0, 1, 4, 0, 2, {}}}, {7}}), "known that are not held");
  EXPECT_DEATH(pool.reset(0), "generations only grow");
}

}  // namespace
}  // namespace troupe::runtime
