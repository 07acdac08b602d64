#include <algorithm>

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

constexpr std::int64_t heads = 3, latent = 40, rope = 8, width = latent + rope;
constexpr float scale = 0.3f;

// One sequence: its entries, its queries, and a cache whose blocks lie in disorder.
struct Sequence {
  Array<float> entries, queries;  // [positions, width], [positions, heads, width]

  Sequence(std::int64_t positions, unsigned seed)
      : entries(random_array({positions, width}, seed, 2)),
        queries(random_array({positions, heads, width}, seed + 1, 2)) {}

  std::int64_t positions() const { return entries.tensor.rows(); }
};

class Cache {
 public:
  Cache(std::int64_t blocks, std::int64_t block_size)
      : data_(random_array({blocks, block_size, width}, 99)), cache_{data_.tensor}, free_(blocks) {
    // What nobody has written must not be read.
    std::fill(data_.data.begin(), data_.data.end(), std::nanf(""));
  }

  const LatentCache& view() const { return cache_; }
  std::int64_t written() const {
    return std::ranges::count_if(data_.data, [](float x) { return x == x; });
  }
  std::vector<BlockId> take(std::int64_t positions) {
    std::vector<BlockId> blocks;
    for (std::int64_t i = 0; i * cache_.block_size() < positions; ++i) blocks.push_back(BlockId(--free_));
    return blocks;
  }

 private:
  Array<float> data_;
  LatentCache cache_;
  std::int64_t free_;
};

// Stores and attends positions [begin, end) of some sequences in one step; returns [tokens, heads, latent].
struct Slice {
  const Sequence* sequence;
  std::span<const BlockId> blocks;
  std::int64_t begin, end;
};

Array<float> step(Ops& ops, const Cache& cache, const std::vector<Slice>& slices) {
  ImmediateQueue queue;
  StepLayout layout;
  for (const Slice& s : slices) {
    layout.sequences.push_back(
        {.first_row = layout.tokens, .rows = s.end - s.begin, .first_position = s.begin, .blocks = s.blocks});
    layout.tokens += s.end - s.begin;
  }
  Array<float> latents({layout.tokens, latent}), keys({layout.tokens, rope}),
      q({layout.tokens, heads, width});
  std::int64_t row = 0;
  for (const Slice& s : slices)
    for (std::int64_t p = s.begin; p < s.end; ++p, ++row) {
      std::copy_n(&s.sequence->entries[p * width], latent, &latents[row * latent]);
      std::copy_n(&s.sequence->entries[p * width + latent], rope, &keys[row * rope]);
      std::copy_n(&s.sequence->queries[p * heads * width], heads * width, &q[row * heads * width]);
    }
  ops.store_latent(queue, latents.tensor, keys.tensor, layout, cache.view());
  Array<float> out({layout.tokens, heads, latent});
  ops.mla_attention(queue, q.tensor, cache.view(), layout, scale, out.tensor);
  return out;
}

// The sequence alone in steps of `chunk` positions.
Array<float> in_chunks(Ops& ops, const Sequence& s, std::int64_t chunk, std::int64_t block_size) {
  Cache cache(s.positions() / block_size + 1, block_size);
  const auto blocks = cache.take(s.positions());
  Array<float> all({s.positions(), heads, latent});
  for (std::int64_t begin = 0; begin < s.positions(); begin += chunk) {
    const std::int64_t end = std::min(begin + chunk, s.positions());
    const auto out = step(ops, cache, {{&s, blocks, begin, end}});
    std::copy_n(out.data.begin(), (end - begin) * heads * latent, &all[begin * heads * latent]);
  }
  return all;
}

TEST(Attention, AgreesWithDoubleLoops) {
  CpuOps ops(2);
  const Sequence s(300, 1);
  const auto out = in_chunks(ops, s, 300, 16);
  for (std::int64_t p = 0; p < s.positions(); ++p)
    for (std::int64_t h = 0; h < heads; ++h) {
      std::vector<double> weights, sums(latent);
      double total = 0;
      for (std::int64_t k = 0; k <= p; ++k) {
        double score = 0;
        for (std::int64_t i = 0; i < width; ++i)
          score += double(s.queries[(p * heads + h) * width + i]) * s.entries[k * width + i];
        weights.push_back(std::exp(score * scale));
        total += weights.back();
      }
      for (std::int64_t k = 0; k <= p; ++k)
        for (std::int64_t i = 0; i < latent; ++i)
          sums[std::size_t(i)] += weights[std::size_t(k)] / total * s.entries[k * width + i];
      for (std::int64_t i = 0; i < latent; ++i)
        // Scores of up to 60 carry errors of 60 * 2^-22 into the weights, of entries up to 2.
        ASSERT_NEAR(out[(p * heads + h) * latent + i], sums[std::size_t(i)], 5e-5);
    }
}

TEST(Attention, BytesDoNotDependOnChunksBlocksThreadsOrInstructions) {
  const Sequence s(290, 3);
  CpuOps one(1);
  const auto expected = in_chunks(one, s, 290, 16);
  with_every_ops([&](Ops& ops) {
    for (const std::int64_t chunk : {290, 128, 100, 37})
      for (const std::int64_t block_size : {1, 16, 48})
        EXPECT_EQ(in_chunks(ops, s, chunk, block_size), expected);
  });
  EXPECT_EQ(in_chunks(one, s, 1, 16), expected);
}

TEST(Attention, BytesDoNotDependOnTheBatch) {
  const Sequence a(200, 5), b(3, 7), c(140, 9);
  CpuOps one(1);
  const auto alone = in_chunks(one, a, 200, 16);
  with_every_ops([&](Ops& ops) {
    Cache cache(40, 16);
    const auto for_b = cache.take(3), for_a = cache.take(200), for_c = cache.take(140);
    step(ops, cache, {{&a, for_a, 0, 90}, {&c, for_c, 0, 139}});
    const auto mixed = step(ops, cache, {{&b, for_b, 0, 3}, {&a, for_a, 90, 200}, {&c, for_c, 139, 140}});
    EXPECT_EQ(0, std::memcmp(&mixed[3 * heads * latent], &alone[90 * heads * latent],
                             std::size_t(110 * heads * latent) * 4));
  });
}

// One query of a long context: the splits are shared out among the threads, and more than once.
TEST(Attention, DecodeOverManySplitsGivesTheBytesOfOneThread) {
  const Sequence s(128 * 21 + 5, 11);
  Cache cache(s.positions() / 16 + 1, 16);
  const auto blocks = cache.take(s.positions());
  CpuOps one(1);
  const std::int64_t last = s.positions() - 1;
  step(one, cache, {{&s, blocks, 0, last}});
  const auto expected = step(one, cache, {{&s, blocks, last, last + 1}});
  with_every_ops([&](Ops& ops) { EXPECT_EQ(step(ops, cache, {{&s, blocks, last, last + 1}}), expected); });
}

TEST(Attention, TicksForEachSplitOfALongContext) {
  const Sequence sequence(40 * attention_split, 1);
  Cache cache(40 * attention_split / 16, 16);
  const std::vector<BlockId> blocks = cache.take(sequence.positions());
  CpuOps silent(1);
  step(silent, cache, {{&sequence, blocks, 0, sequence.positions() - 1}});
  for (const int threads : {1, 2}) {
    TickBoard board;
    CpuOps ops(threads, &board);
    step(ops, cache, {{&sequence, blocks, sequence.positions() - 1, sequence.positions()}});
    EXPECT_GE(board.count, 40u);
  }
}

TEST(Attention, RowsOfNoSequenceAreLeftAlone) {
  constexpr std::int64_t tokens = 5;
  const auto latents = random_array({tokens, latent}, 1), keys = random_array({tokens, rope}, 2),
             q = random_array({tokens, heads, width}, 3), before = random_array({tokens, heads, latent}, 4);
  with_every_ops([&](Ops& ops) {
    ImmediateQueue queue;
    Cache cache(3, 16);
    const auto blocks = cache.take(3);
    StepLayout layout{.tokens = tokens, .sequences = {}};
    layout.sequences.push_back({.first_row = 1, .rows = 3, .first_position = 0, .blocks = blocks});
    auto out = random_array({tokens, heads, latent}, 4);
    ops.store_latent(queue, latents.tensor, keys.tensor, layout, cache.view());
    ops.mla_attention(queue, q.tensor, cache.view(), layout, scale, out.tensor);
    EXPECT_EQ(cache.written() / width, 3);  // what Array has behind its end may count, too
    for (const std::int64_t row : {0, 4})
      for (std::int64_t i = row * heads * latent; i < (row + 1) * heads * latent; ++i)
        ASSERT_EQ(out[i], before[i]);
  });
}

TEST(Attention, NoRowsAreNoWork) {
  CpuOps ops(2);
  const Cache cache(1, 16);
  const Sequence s(1, 1);
  const std::vector<BlockId> blocks{0};
  EXPECT_EQ(step(ops, cache, {}).tensor.elements(), 0);
  EXPECT_EQ(step(ops, cache, {{&s, blocks, 0, 0}}).tensor.elements(), 0);
}

TEST(AttentionDeathTest, APositionOutsideTheBlockTableStops) {
  CpuOps ops(1);
  Cache cache(2, 16);
  const auto blocks = cache.take(16);
  const Sequence s(17, 1);
  EXPECT_DEATH(step(ops, cache, {{&s, blocks, 0, 17}}), "position beyond the block table");
  const std::vector<BlockId> strange{2};
  EXPECT_DEATH(step(ops, cache, {{&s, strange, 0, 1}}), "block beyond the cache");
}

}  // namespace
}  // namespace troupe::kernels
