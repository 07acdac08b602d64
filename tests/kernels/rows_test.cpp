#include <numeric>

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

ImmediateQueue queue;

TEST(Embed, LooksUpThePartOfTheVocabularyThatItHas) {
  const std::vector<TokenId> tokens{12, 10, 9, 19, 20, -1, 2147483647};
  std::vector<DType> types{DType::f32, DType::f16, DType::bf16, DType::f8_e4m3};
  types.insert(types.end(), std::begin(ggml_types), std::end(ggml_types));
  types.insert(types.end(), std::begin(repacked_types), std::end(repacked_types));
  for (const DType type : types) {
    const Matrix table(type, 10, 75, 1, 4, 32);
    // A table that is the head, too, lies in panels.
    for (const Weight& view : {table.as_stored(), table.view()})
      with_every_ops([&](Ops& ops) {
        Array<float> out({std::int64_t(tokens.size()), 75});
        std::fill(out.data.begin(), out.data.end(), 7.0f);
        ops.embed(queue, tokens, view, 10, out.tensor);
        for (std::size_t t = 0; t < tokens.size(); ++t)
          for (std::int64_t i = 0; i < 75; ++i) {
            const bool has = tokens[t] >= 10 && tokens[t] < 20;
            ASSERT_EQ(out[std::int64_t(t) * 75 + i], has ? table.at(tokens[t] - 10, i) : 0.0f);
          }
      });
  }
}

TEST(Embed, EveryFp8CodeIsExact) {
  std::vector<std::uint8_t> codes(256);
  for (int i = 0; i < 256; ++i) codes[std::size_t(i)] = std::uint8_t(i);
  const float scale = 1;
  const Weight table{.data = codes.data(),
                     .dtype = DType::f8_e4m3,
                     .rows = 1,
                     .cols = 256,
                     .scales = &scale,
                     .scale_stride = 1,
                     .block_rows = 1,
                     .block_cols = 256};
  with_every_ops([&](Ops& ops) {
    Array<float> out({1, 256});
    ops.embed(queue, std::vector<TokenId>{0}, table, 0, out.tensor);
    for (int i = 0; i < 256; ++i) {
      if ((i & 0x7f) == 0x7f) continue;  // NaN, which the loader refuses
      const int exponent = i >> 3 & 15, fraction = i & 7;
      const double magnitude =
          exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
      ASSERT_EQ(out[i], float(i & 0x80 ? -magnitude : magnitude)) << i;
    }
  });
}

TEST(Embed, EveryHalfPrecisionNumberIsExact) {
  std::vector<std::uint16_t> codes(65536);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = std::uint16_t(i);
  Weight table{.data = codes.data(), .dtype = DType::f16, .rows = 1, .cols = 65536};
  with_every_ops([&](Ops& ops) {
    Array<float> out({1, 65536});
    ops.embed(queue, std::vector<TokenId>{0}, table, 0, out.tensor);
    for (int i = 0; i < 65536; ++i) {
      const int exponent = i >> 10 & 31, fraction = i & 1023;
      if (exponent == 31) continue;
      const double magnitude =
          exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      ASSERT_EQ(out[i], float(i & 0x8000 ? -magnitude : magnitude)) << i;
    }
  });
}

// Its out may be x, and may have heads of another width. A row of no sequence stays as it is.
class Rope : public testing::TestWithParam<std::tuple<RopePairs, bool>> {};

TEST_P(Rope, TurnsPairsIntoHalves) {
  const RopeForm form{std::get<0>(GetParam()), std::get<1>(GetParam())};
  const bool neighbours = form.pairs == RopePairs::neighbours;
  constexpr std::int64_t tokens = 5, heads = 2, head = 10, wide = 13, half = 3;
  const std::int64_t from = form.first ? 0 : head - 2 * half, to = form.first ? 0 : wide - 2 * half;
  const auto before = random_array({tokens, heads, head}, 1), cos = random_array({20, half}, 2),
             sin = random_array({20, half}, 3), untouched = random_array({tokens, heads, wide}, 4);
  StepLayout layout{.tokens = tokens, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = 1, .first_position = 19, .blocks = {}});
  layout.sequences.push_back({.first_row = 2, .rows = 3, .first_position = 5, .blocks = {}});
  const std::int64_t positions[] = {19, -1, 5, 6, 7};
  with_every_ops([&](Ops& ops) {
    auto x = random_array({tokens, heads, head}, 1), elsewhere = random_array({tokens, heads, wide}, 4);
    ops.rope(queue, before.tensor, {.cos = cos.tensor, .sin = sin.tensor}, layout, form, elsewhere.tensor);
    ops.rope(queue, x.tensor, {.cos = cos.tensor, .sin = sin.tensor}, layout, form, x.tensor);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t h = 0; h < heads; ++h) {
        const float* const in = &before[(t * heads + h) * head];
        std::vector<float> expected(in, in + head),
            wider(&untouched[(t * heads + h) * wide], &untouched[(t * heads + h) * wide] + wide);
        for (std::int64_t i = 0; i < half && positions[t] >= 0; ++i) {
          const float a = in[from + (neighbours ? 2 * i : i)],
                      b = in[from + (neighbours ? 2 * i + 1 : half + i)];
          const float c = cos[positions[t] * half + i], s = sin[positions[t] * half + i];
          expected[std::size_t(from + i)] = wider[std::size_t(to + i)] = a * c - b * s;
          expected[std::size_t(from + half + i)] = wider[std::size_t(to + half + i)] = b * c + a * s;
        }
        ASSERT_TRUE(std::ranges::equal(expected, std::span(&x[(t * heads + h) * head], std::size_t(head))));
        ASSERT_TRUE(
            std::ranges::equal(wider, std::span(&elsewhere[(t * heads + h) * wide], std::size_t(wide))));
      }
  });
}

INSTANTIATE_TEST_SUITE_P(Forms, Rope,
                         testing::Combine(testing::Values(RopePairs::neighbours, RopePairs::halves),
                                          testing::Bool()));

TEST(RopeDeathTest, APositionBeyondTheTableStops) {
  auto x = random_array({1, 1, 2}, 1), table = random_array({4, 1}, 2);
  StepLayout layout{.tokens = 1, .sequences = {}};
  layout.sequences.push_back({.first_row = 0, .rows = 1, .first_position = 4, .blocks = {}});
  CpuOps ops(1);
  EXPECT_DEATH(ops.rope(queue, x.tensor, {.cos = table.tensor, .sin = table.tensor}, layout,
                        {RopePairs::neighbours}, x.tensor),
               "position out of range");
}

// Also rows that are no whole number of words.
TEST(GatherRows, CopiesTheRowsAskedFor) {
  const std::vector<std::int32_t> rows{4, 0, 4};
  for (const std::int64_t n : {7, 8}) {
    std::vector<std::uint8_t> x(std::size_t(5 * n));
    std::iota(x.begin(), x.end(), std::uint8_t{1});
    with_every_ops([&](Ops& ops) {
      std::vector<std::uint8_t> out(std::size_t(3 * n));
      ops.gather_rows(queue, {x.data(), DType::f8_e4m3, {5, n}}, rows, {out.data(), DType::f8_e4m3, {3, n}});
      for (std::int64_t i = 0; i < 3; ++i)
        for (std::int64_t k = 0; k < n; ++k)
          ASSERT_EQ(out[std::size_t(i * n + k)], x[std::size_t(rows[std::size_t(i)] * n + k)]);
    });
  }
}

TEST(JoinColumns, PutsPartsSideBySideAndDropsTheRest) {
  constexpr std::int64_t ranks = 3, tokens = 4, n = 5;
  const auto parts = random_array({ranks, tokens, n}, 1);
  with_every_ops([&](Ops& ops) {
    for (const std::int64_t columns : {4, 5, 6, 13, 15}) {
      Array<float> out({tokens, columns});
      ops.join_columns(queue, parts.tensor, out.tensor);
      for (std::int64_t t = 0; t < tokens; ++t)
        for (std::int64_t c = 0; c < columns; ++c)
          ASSERT_EQ(out[t * columns + c], parts[(c / n * tokens + t) * n + c % n]);
    }
  });
}

TEST(Allocate, GivesAlignedZeroes) {
  CpuOps ops(1);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{5} << 20}) {
    const auto memory = ops.allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.get()) % 64, 0u);
    const auto* const begin = static_cast<const unsigned char*>(memory.get());
    EXPECT_TRUE(std::all_of(begin, begin + bytes, [](unsigned char byte) { return byte == 0; }));
  }
}

TEST(Allocate, SaysWhenThereIsNotEnough) {
  CpuOps ops(1);
  EXPECT_THROW(ops.allocate(std::size_t{1} << 60), Error);
  EXPECT_THROW(ops.allocate(~std::size_t{0}), Error);
}

}  // namespace
}  // namespace troupe::kernels
