#include <algorithm>

#include "tests/kernels/encoded_entries.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

constexpr float scale = 0.3f;

// What an entry of the cache has, and how queries attend to it.
struct Form {
  const char* name;
  std::int64_t heads, key_heads;
  std::int64_t first, second;  // of an entry, a head: what store_entries takes
  std::int64_t width, value;   // of a query and its key; of a value and of out
  bool latent;                 // a value is what its key begins with
  CacheType type = CacheType::f32;

  EntryForm stored() const {
    return latent ? latent_entry(type, first, second) : key_value_entry(type, key_heads, first, second);
  }
  std::int64_t entry() const { return key_heads * (first + second); }
  // Columns of an entry.
  std::int64_t key_of(std::int64_t head) const { return head / (heads / key_heads) * (first + second); }
  std::int64_t value_of(std::int64_t head) const { return key_of(head) + (latent ? 0 : width); }
};
std::ostream& operator<<(std::ostream& out, const Form& form) {
  return out << form.name;
}
constexpr Form latent_form{"latent", 3, 1, 40, 8, 48, 40, true};

// One sequence: its entries, its queries, and a cache whose blocks lie in disorder.
struct Sequence {
  Form form;
  Array<float> entries, queries;  // [positions, entry], [positions, heads, width]

  Sequence(const Form& f, std::int64_t positions, unsigned seed)
      : form(f),
        entries(random_array({positions, f.entry()}, seed, 2)),
        queries(random_array({positions, f.heads, f.width}, seed + 1, f.latent ? 2 : 1)) {}

  std::int64_t positions() const { return entries.tensor.rows(); }
  // What a cache makes of the entries.
  std::vector<float> as_read() const { return decoded(form.stored(), entries.data.data(), positions()); }
};

class Cache {
 public:
  Cache(const Form& form, std::int64_t blocks, std::int64_t block_size)
      : data_({blocks, block_size, form.stored().words()}),
        cache_{data_.tensor, form.stored()},
        free_(blocks) {
    // What nobody has written must not be read.
    std::fill(data_.data.begin(), data_.data.end(), std::nanf(""));
  }

  const LayerCache& view() const { return cache_; }
  std::int64_t written() const {  // words
    const auto unwritten = std::bit_cast<std::uint32_t>(std::nanf(""));
    return std::ranges::count_if(data_.data,
                                 [&](float x) { return std::bit_cast<std::uint32_t>(x) != unwritten; });
  }
  std::vector<BlockId> take(std::int64_t positions) {
    std::vector<BlockId> blocks;
    for (std::int64_t i = 0; i * cache_.block_size() < positions; ++i) blocks.push_back(BlockId(--free_));
    return blocks;
  }

 private:
  Array<float> data_;
  LayerCache cache_;
  std::int64_t free_;
};

void attend(Ops& ops, const Form& form, const Array<float>& q, const Cache& cache, const StepLayout& layout,
            const Array<float>& out) {
  ImmediateQueue queue;
  if (form.latent)
    ops.mla_attention(queue, q.tensor, cache.view(), layout, scale, out.tensor);
  else
    ops.gqa_attention(queue, q.tensor, cache.view(), form.key_heads, layout, scale, out.tensor);
}

// Stores and attends positions [begin, end) of some sequences in one step; returns [tokens, heads, value].
struct Slice {
  const Sequence* sequence;
  std::span<const BlockId> blocks;
  std::int64_t begin, end;
};

Array<float> step(Ops& ops, const Form& form, const Cache& cache, const std::vector<Slice>& slices) {
  ImmediateQueue queue;
  StepLayout layout;
  for (const Slice& s : slices) {
    layout.sequences.push_back(
        {.first_row = layout.tokens, .rows = s.end - s.begin, .first_position = s.begin, .blocks = s.blocks});
    layout.tokens += s.end - s.begin;
  }
  Array<float> first({layout.tokens, form.key_heads, form.first}),
      second({layout.tokens, form.key_heads, form.second}), q({layout.tokens, form.heads, form.width});
  auto to_first = first.data.begin(), to_second = second.data.begin(), to_q = q.data.begin();
  for (const Slice& s : slices)
    for (std::int64_t p = s.begin; p < s.end; ++p) {
      const float* from = &s.sequence->entries[p * form.entry()];
      for (std::int64_t head = 0; head < form.key_heads; ++head, from += form.first + form.second) {
        to_first = std::copy_n(from, form.first, to_first);
        to_second = std::copy_n(from + form.first, form.second, to_second);
      }
      const std::int64_t query = form.heads * form.width;
      to_q = std::copy_n(&s.sequence->queries[p * query], query, to_q);
    }
  ops.store_entries(queue, first.tensor, second.tensor, layout, cache.view());
  Array<float> out({layout.tokens, form.heads, form.value});
  attend(ops, form, q, cache, layout, out);
  return out;
}

// The sequence alone in steps of `chunk` positions.
Array<float> in_chunks(Ops& ops, const Sequence& s, std::int64_t chunk, std::int64_t block_size) {
  const Form& form = s.form;
  const std::int64_t row = form.heads * form.value;
  Cache cache(form, s.positions() / block_size + 1, block_size);
  const auto blocks = cache.take(s.positions());
  Array<float> all({s.positions(), form.heads, form.value});
  for (std::int64_t begin = 0; begin < s.positions(); begin += chunk) {
    const std::int64_t end = std::min(begin + chunk, s.positions());
    const auto out = step(ops, form, cache, {{&s, blocks, begin, end}});
    std::copy_n(out.data.begin(), (end - begin) * row, &all[begin * row]);
  }
  return all;
}

class Attention : public testing::TestWithParam<Form> {
 protected:
  const Form& form_ = GetParam();
  std::int64_t row_ = form_.heads * form_.value;  // elements of a row of out
};

TEST_P(Attention, AgreesWithDoubleLoops) {
  CpuOps ops(2);
  const Sequence s(form_, 300, 1);
  const auto out = in_chunks(ops, s, 300, 16);
  const std::vector<float> entries = s.as_read();
  for (std::int64_t p = 0; p < s.positions(); ++p)
    for (std::int64_t h = 0; h < form_.heads; ++h) {
      std::vector<double> weights, sums(std::size_t(form_.value));
      double total = 0;
      for (std::int64_t k = 0; k <= p; ++k) {
        double score = 0;
        const float* const key = &entries[std::size_t(k * form_.entry() + form_.key_of(h))];
        for (std::int64_t i = 0; i < form_.width; ++i)
          score += double(s.queries[(p * form_.heads + h) * form_.width + i]) * key[i];
        weights.push_back(std::exp(score * scale));
        total += weights.back();
      }
      for (std::int64_t k = 0; k <= p; ++k)
        for (std::int64_t i = 0; i < form_.value; ++i)
          sums[std::size_t(i)] += weights[std::size_t(k)] / total *
                                  entries[std::size_t(k * form_.entry() + form_.value_of(h) + i)];
      for (std::int64_t i = 0; i < form_.value; ++i)
        // Scores of up to 60 carry errors of 60 * 2^-22 into the weights, of entries up to 2.
        ASSERT_NEAR(out[p * row_ + h * form_.value + i], sums[std::size_t(i)], 5e-5);
    }
}

// Encoding is all that a cache of another type does: the rest are the bytes of F32.
TEST_P(Attention, HasTheBytesOfAnF32CacheWithWhatIsRead) {
  const Sequence s(form_, 200, 13);
  Form plain = form_;
  plain.type = CacheType::f32;
  Sequence read(plain, 200, 13);
  std::ranges::copy(s.as_read(), read.entries.data.begin());
  CpuOps one(1);
  const auto expected = in_chunks(one, read, 200, 16);
  with_every_ops([&](Ops& ops) { EXPECT_EQ(in_chunks(ops, s, 60, 16), expected); });
}

TEST_P(Attention, BytesDoNotDependOnChunksBlocksThreadsOrInstructions) {
  const Sequence s(form_, 290, 3);
  CpuOps one(1);
  const auto expected = in_chunks(one, s, 290, 16);
  with_every_ops([&](Ops& ops) {
    for (const std::int64_t chunk : {290, 128, 100, 37})
      for (const std::int64_t block_size : {1, 16, 48})
        EXPECT_EQ(in_chunks(ops, s, chunk, block_size), expected);
  });
  EXPECT_EQ(in_chunks(one, s, 1, 16), expected);
}

TEST_P(Attention, BytesDoNotDependOnTheBatch) {
  const Sequence a(form_, 200, 5), b(form_, 3, 7), c(form_, 140, 9);
  CpuOps one(1);
  const auto alone = in_chunks(one, a, 200, 16);
  with_every_ops([&](Ops& ops) {
    Cache cache(form_, 40, 16);
    const auto for_b = cache.take(3), for_a = cache.take(200), for_c = cache.take(140);
    step(ops, form_, cache, {{&a, for_a, 0, 90}, {&c, for_c, 0, 139}});
    const auto mixed =
        step(ops, form_, cache, {{&b, for_b, 0, 3}, {&a, for_a, 90, 200}, {&c, for_c, 139, 140}});
    EXPECT_EQ(0, std::memcmp(&mixed[3 * row_], &alone[90 * row_], std::size_t(110 * row_) * 4));
  });
}

// One query of a long context: the splits are shared out among the threads, and more than once.
TEST_P(Attention, DecodeOverManySplitsGivesTheBytesOfOneThread) {
  const Sequence s(form_, 128 * 21 + 5, 11);
  Cache cache(form_, s.positions() / 16 + 1, 16);
  const auto blocks = cache.take(s.positions());
  CpuOps one(1);
  const std::int64_t last = s.positions() - 1;
  step(one, form_, cache, {{&s, blocks, 0, last}});
  const auto expected = step(one, form_, cache, {{&s, blocks, last, last + 1}});
  with_every_ops([&](Ops& ops) {
    EXPECT_EQ(step(ops, form_, cache, {{&s, blocks, last, last + 1}}), expected);
  });
}

TEST(AttentionOfOneThread, TicksForEachSplitOfALongContext) {
  const Sequence sequence(latent_form, 40 * attention_split, 1);
  Cache cache(latent_form, 40 * attention_split / 16, 16);
  const std::vector<BlockId> blocks = cache.take(sequence.positions());
  CpuOps silent(1);
  step(silent, latent_form, cache, {{&sequence, blocks, 0, sequence.positions() - 1}});
  for (const int threads : {1, 2}) {
    TickBoard board;
    CpuOps ops(threads, &board);
    step(ops, latent_form, cache, {{&sequence, blocks, sequence.positions() - 1, sequence.positions()}});
    EXPECT_GE(board.count, 40u);
  }
}

TEST_P(Attention, RowsOfNoSequenceAreLeftAlone) {
  constexpr std::int64_t tokens = 5;
  const auto first = random_array({tokens, form_.key_heads, form_.first}, 1),
             second = random_array({tokens, form_.key_heads, form_.second}, 2),
             q = random_array({tokens, form_.heads, form_.width}, 3),
             before = random_array({tokens, form_.heads, form_.value}, 4);
  with_every_ops([&](Ops& ops) {
    ImmediateQueue queue;
    Cache cache(form_, 3, 16);
    const auto blocks = cache.take(3);
    StepLayout layout{.tokens = tokens, .sequences = {}};
    layout.sequences.push_back({.first_row = 1, .rows = 3, .first_position = 0, .blocks = blocks});
    auto out = random_array({tokens, form_.heads, form_.value}, 4);
    ops.store_entries(queue, first.tensor, second.tensor, layout, cache.view());
    attend(ops, form_, q, cache, layout, out);
    EXPECT_EQ(cache.written(), 3 * form_.stored().words());
    for (const std::int64_t row : {0, 4})
      for (std::int64_t i = row * row_; i < (row + 1) * row_; ++i) ASSERT_EQ(out[i], before[i]);
  });
}

// Keys wider than a block of a chain, and values of another width.
INSTANTIATE_TEST_SUITE_P(Forms, Attention,
                         testing::Values(latent_form, Form{"grouped", 4, 2, 130, 6, 130, 6, false},
                                         Form{"of_one_key", 4, 1, 16, 16, 16, 16, false},
                                         Form{"of_own_keys", 3, 3, 12, 12, 12, 12, false},
                                         // More than one scale, and a last one of a few elements.
                                         Form{"latent_fp8", 2, 1, 132, 6, 138, 132, true, CacheType::fp8},
                                         Form{"grouped_bf16", 4, 2, 21, 21, 21, 21, false, CacheType::bf16},
                                         Form{"grouped_fp8", 4, 2, 130, 6, 130, 6, false, CacheType::fp8}),
                         [](const auto& info) { return info.param.name; });

TEST(AttentionOfNothing, NoRowsAreNoWork) {
  CpuOps ops(2);
  const Cache cache(latent_form, 1, 16);
  const Sequence s(latent_form, 1, 1);
  const std::vector<BlockId> blocks{0};
  EXPECT_EQ(step(ops, latent_form, cache, {}).tensor.elements(), 0);
  EXPECT_EQ(step(ops, latent_form, cache, {{&s, blocks, 0, 0}}).tensor.elements(), 0);
}

TEST(AttentionDeathTest, APositionOutsideTheBlockTableStops) {
  CpuOps ops(1);
  Cache cache(latent_form, 2, 16);
  const auto blocks = cache.take(16);
  const Sequence s(latent_form, 17, 1);
  EXPECT_DEATH(step(ops, latent_form, cache, {{&s, blocks, 0, 17}}), "position beyond the block table");
  const std::vector<BlockId> strange{2};
  EXPECT_DEATH(step(ops, latent_form, cache, {{&s, strange, 0, 1}}), "block beyond the cache");
}

}  // namespace
}  // namespace troupe::kernels
