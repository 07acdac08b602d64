// Which keys a row attends to, and attention to those alone.
#include <algorithm>
#include <numeric>

#include "tests/kernels/encoded_entries.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

constexpr std::int64_t heads = 5, width = 136, most = 20, block_size = 16;

// A sequence whose index keys are in a cache, and what a step asks of it.
struct Scene {
  std::int64_t positions;
  Array<float> keys, q, weights;  // [positions, width], [positions, heads, width], [positions, heads]
  Array<float> cache;             // [blocks, block_size, width]
  std::vector<BlockId> blocks;

  explicit Scene(std::int64_t n, unsigned seed = 1)
      : positions(n),
        keys(random_array({n, width}, seed)),
        q(random_array({n, heads, width}, seed + 1)),
        weights(random_array({n, heads}, seed + 2)),
        cache({n / block_size + 1, block_size, width}) {
    for (std::int64_t block = n / block_size; block >= 0; --block) blocks.push_back(BlockId(block));
  }

  LayerCache view() const { return {cache.tensor, key_entry(CacheType::f32, width)}; }
  void store() {
    for (std::int64_t p = 0; p < positions; ++p)
      std::copy_n(&keys[p * width], width,
                  &cache[(blocks[std::size_t(p / block_size)] * block_size + p % block_size) * width]);
  }
  // Of positions [first, first + rows), in one step; scores of so many rows have room.
  Array<std::int32_t> select(Ops& ops, std::int64_t first, std::int64_t rows, std::int64_t at_once) const {
    return select(ops, first, rows, at_once, view());
  }
  Array<std::int32_t> select(Ops& ops, std::int64_t first, std::int64_t rows, std::int64_t at_once,
                             const LayerCache& index_keys) const {
    ImmediateQueue queue;
    StepLayout layout{.tokens = rows, .sequences = {}};
    layout.sequences.push_back({.first_row = 0, .rows = rows, .first_position = first, .blocks = blocks});
    Array<float> scores({at_once, positions});
    Array<std::int32_t> out({rows, most});
    ops.select_keys(queue, q.tensor.slice(first, rows), weights.tensor.slice(first, rows), index_keys, layout,
                    scores.tensor, out.tensor);
    return out;
  }
  // By the definition.
  std::vector<std::int32_t> expected(std::int64_t row) const {
    std::vector<float> scores;
    for (std::int64_t p = 0; p <= row; ++p) {
      float total = 0;
      for (std::int64_t h = 0; h < heads; ++h) {
        float product = 0;
        for (std::int64_t begin = 0; begin < width; begin += chain_block) {
          float sum = 0;
          for (std::int64_t i = begin; i < std::min(width, begin + chain_block); ++i)
            sum = std::fma(keys[p * width + i], q[(row * heads + h) * width + i], sum);
          product += sum;
        }
        total = std::fma(weights[row * heads + h], std::max(product, 0.0f), total);
      }
      scores.push_back(total);
    }
    std::vector<std::int32_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order,
                             [&](auto a, auto b) { return scores[std::size_t(a)] > scores[std::size_t(b)]; });
    order.resize(std::min<std::size_t>(order.size(), most));
    std::ranges::sort(order);
    return order;
  }
};

void expect_selected(const Scene& scene, std::int64_t first, std::int64_t rows, std::int64_t at_once) {
  with_every_ops([&](Ops& ops) {
    const auto out = scene.select(ops, first, rows, at_once);
    for (std::int64_t t = 0; t < rows; ++t) {
      const auto expected = scene.expected(first + t);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), &out[t * most])) << first + t;
    }
  });
}

TEST(SelectKeys, TakesThoseThatScoreHighest) {
  Scene scene(300);
  scene.store();
  for (const std::int64_t at_once : {1, 7, 300}) expect_selected(scene, 0, 60, at_once);
  expect_selected(scene, 290, 10, 4);
}

// Keys that are nearly the same, so that the last bit of a score decides.
TEST(SelectKeys, GoesByEveryBitOfAScore) {
  Scene scene(300);
  for (std::int64_t p = 1; p < scene.positions; ++p)
    for (std::int64_t i = 0; i < width; ++i)
      scene.keys[p * width + i] = scene.keys[i] + 1e-7f * scene.keys[p * width + i];
  scene.store();
  expect_selected(scene, 240, 60, 60);
}

// Scores that are equal by the dozen, zeroes of both signs, and infinities: the lower position wins.
TEST(SelectKeys, TakesTheLowerPositionsOfEqualScores) {
  for (const int kinds : {1, 2, 3}) {
    Scene scene(80);
    for (std::int64_t p = 0; p < scene.positions; ++p)
      std::fill_n(&scene.keys[p * width], width, float(p * 7 % 5 % kinds) - 1);
    scene.store();
    expect_selected(scene, 10, 70, 16);
    std::fill(scene.weights.data.begin(), scene.weights.data.end(), -1e-45f);
    for (float& x : scene.keys.data) x *= 1e-3f;
    scene.store();
    expect_selected(scene, 10, 70, 16);
  }
}

TEST(SelectKeys, ScoresThatAreNoNumbersComeLast) {
  Scene scene(60);
  for (const std::int64_t p : {0, 3, 30}) scene.keys[p * width] = std::nanf("");
  // A product that is no number counts as none; a weight that is none spoils every score, and the first positions stay.
  scene.weights[59 * heads] = std::nanf("");
  scene.store();
  with_every_ops([&](Ops& ops) {
    const auto out = scene.select(ops, 59, 1, 1);
    for (std::int32_t i = 0; i < most; ++i) ASSERT_EQ(out[i], i);
  });
}

TEST(SelectKeys, RowsOfNoSequenceAreLeftAlone) {
  Scene scene(50);
  scene.store();
  with_every_ops([&](Ops& ops) {
    // What is told of a step lies where that of others lay, whose rows were all of a sequence.
    for (int i = 0; i < 8; ++i) scene.select(ops, 40, 3, 2);
    ImmediateQueue queue;
    StepLayout layout{.tokens = 3, .sequences = {}};
    layout.sequences.push_back({.first_row = 1, .rows = 1, .first_position = 41, .blocks = scene.blocks});
    Array<float> scores({2, 50});
    Array<std::int32_t> out({3, most});
    std::fill(out.data.begin(), out.data.end(), -7);
    ops.select_keys(queue, scene.q.tensor.slice(40, 3), scene.weights.tensor.slice(40, 3), scene.view(),
                    layout, scores.tensor, out.tensor);
    for (std::int64_t i = 0; i < most; ++i) {
      ASSERT_EQ(out[i], -7);
      ASSERT_EQ(out[most + i], scene.expected(41)[std::size_t(i)]);
      ASSERT_EQ(out[2 * most + i], -7);
    }
  });
}

// The scene's keys in a cache of another type.
struct EncodedScene {
  EncodedScene(Ops& ops, const Scene& scene, CacheType type)
      : form(key_entry(type, width)), data({scene.positions / block_size + 1, block_size, form.words()}) {
    ImmediateQueue queue;
    const std::int64_t n = scene.positions;
    StepLayout layout{.tokens = n, .sequences = {}};
    layout.sequences.push_back({.first_row = 0, .rows = n, .first_position = 0, .blocks = scene.blocks});
    const Array<float> nothing({n, 1, 0});
    ops.store_entries(queue, scene.keys.tensor.reshape({n, 1, width}), nothing.tensor, layout, view());
  }
  LayerCache view() const { return {data.tensor, form}; }

  EntryForm form;
  Array<float> data;
};

// Of a cache of another type it takes what it would take of the keys that are read.
TEST(SelectKeys, GoesByTheKeysThatAreRead) {
  for (const CacheType type : {CacheType::bf16, CacheType::fp8}) {
    Scene scene(200), read(200);
    std::ranges::copy(decoded(key_entry(type, width), scene.keys.data.data(), 200), read.keys.data.begin());
    with_every_ops([&](Ops& ops) {
      const auto out = scene.select(ops, 150, 50, 8, EncodedScene(ops, scene, type).view());
      for (std::int64_t t = 0; t < 50; ++t) {
        const auto expected = read.expected(150 + t);
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), &out[t * most])) << t;
      }
    });
  }
}

TEST(SelectKeysDeathTest, NeedsRoomForItsScores) {
  Scene scene(40);
  CpuOps ops(1);
  ImmediateQueue queue;
  StepLayout layout{.tokens = 1, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = 1, .first_position = 39, .blocks = scene.blocks});
  Array<float> scores({1, 39});
  Array<std::int32_t> out({1, most});
  EXPECT_DEATH(ops.select_keys(queue, scene.q.tensor.slice(39, 1), scene.weights.tensor.slice(39, 1),
                               scene.view(), layout, scores.tensor, out.tensor),
               "no room for the scores of a row");
}

// [rows, heads, value]: attention of the last rows to what `selected` says, or to all.
constexpr std::int64_t value = 100;
Array<float> attend(Ops& ops, const Scene& scene, std::int64_t rows, const Array<std::int32_t>* selected,
                    const LayerCache& cache) {
  ImmediateQueue queue;
  StepLayout layout{.tokens = rows, .sequences = {}};
  const std::int64_t first = scene.positions - rows;
  layout.sequences.push_back({.first_row = 0, .rows = rows, .first_position = first, .blocks = scene.blocks});
  Array<float> out({rows, heads, value});
  const Tensor q = scene.q.tensor.slice(first, rows);
  if (selected)
    ops.sparse_mla_attention(queue, q, cache, selected->tensor, layout, 0.1f, out.tensor);
  else
    ops.mla_attention(queue, q, cache, layout, 0.1f, out.tensor);
  return out;
}
Array<float> attend(Ops& ops, const Scene& scene, std::int64_t rows, const Array<std::int32_t>* selected) {
  return attend(ops, scene, rows, selected, scene.view());
}

TEST(SparseAttention, ToAllPositionsHasTheBytesOfAttention) {
  Scene scene(150);
  scene.store();
  constexpr std::int64_t rows = 9;
  Array<std::int32_t> all({rows, 150});
  for (std::int64_t i = 0; i < rows * 150; ++i) all[i] = std::int32_t(i % 150);
  CpuOps one(1);
  const auto expected = attend(one, scene, rows, nullptr);
  with_every_ops([&](Ops& ops) { EXPECT_EQ(attend(ops, scene, rows, &all), expected); });
}

TEST(SparseAttention, ReadsWhatTheCacheStores) {
  const Scene scene(150);
  constexpr std::int64_t rows = 4;
  Array<std::int32_t> all({rows, 150});
  for (std::int64_t i = 0; i < rows * 150; ++i) all[i] = std::int32_t(i % 150);
  for (const CacheType type : {CacheType::bf16, CacheType::fp8}) {
    Scene read(150);
    std::ranges::copy(decoded(key_entry(type, width), scene.keys.data.data(), 150), read.keys.data.begin());
    read.store();
    CpuOps one(1);
    const auto expected = attend(one, read, rows, nullptr);
    with_every_ops([&](Ops& ops) {
      EXPECT_EQ(attend(ops, scene, rows, &all, EncodedScene(ops, scene, type).view()), expected);
    });
  }
}

// As a sequence of those positions alone would have.
TEST(SparseAttention, ToSomePositionsHasTheBytesOfThose) {
  Scene scene(400), few(170);
  constexpr std::int64_t rows = 2;
  Array<std::int32_t> selected({rows, 169});
  for (std::int64_t t = 0; t < rows; ++t)
    for (std::int64_t i = 0; i < 169; ++i) selected[t * 169 + i] = std::int32_t(2 * i + i / 40);
  scene.store();
  for (std::int64_t i = 0; i < 169; ++i)
    std::copy_n(&scene.keys[selected[i] * width], width, &few.keys[i * width]);
  std::copy_n(&scene.q[398 * heads * width], heads * width, &few.q[168 * heads * width]);
  few.store();
  CpuOps one(1);
  const auto of_few = attend(one, few, rows, nullptr);
  with_every_ops([&](Ops& ops) {
    const auto out = attend(ops, scene, rows, &selected);
    EXPECT_EQ(0,
              std::memcmp(out.data.data(), of_few.data.data(), std::size_t(heads * value) * sizeof(float)));
  });
}

TEST(SparseAttentionDeathTest, APositionThatTheRowDoesNotSeeStops) {
  Scene scene(150);
  scene.store();
  CpuOps ops(1);
  for (const std::int32_t strange : {150, -1}) {
    Array<std::int32_t> selected({1, 3});
    selected[2] = strange;
    EXPECT_DEATH(attend(ops, scene, 1, &selected), "a selected position that the row does not see");
  }
}

}  // namespace
}  // namespace troupe::kernels
