#include <rapidcheck/gtest.h>

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

constexpr DType types[] = {DType::f32,   DType::f16,    DType::bf16,  DType::f8_e4m3, DType::q8_0,
                           DType::q4_0,  DType::q4_1,   DType::q5_0,  DType::q5_1,    DType::q2_k,
                           DType::q3_k,  DType::q4_k,   DType::q5_k,  DType::q6_k,    DType::iq4_nl,
                           DType::i4_32, DType::i4_128, DType::i8_32, DType::i8_128,  DType::i4_bf16,
                           DType::mxfp4, DType::nvfp4,  DType::nf4};

float tree(std::vector<float> parts) {
  for (; parts.size() > 1; parts.resize(parts.size() / 2))
    for (std::size_t i = 0; i < parts.size() / 2; ++i) parts[i] = parts[2 * i] + parts[2 * i + 1];
  return parts[0];
}

// linear_sharded as the design defines it.
Array<float> reference(const Array<float>& x, const Matrix& w, const VirtualShards& shards) {
  const std::int64_t tokens = x.tensor.rows(), cols = w.view().cols, origin = shards.begin(shards.first);
  Array<float> out({tokens, w.view().rows});
  for (std::int64_t t = 0; t < tokens; ++t)
    for (std::int64_t row = 0; row < w.view().rows; ++row) {
      std::vector<float> parts;
      for (int s = shards.first; s < shards.first + shards.count; ++s) {
        const std::int64_t begin = shards.begin(s) - origin, end = shards.begin(s + 1) - origin;
        parts.push_back(chain(w, row, begin, end, &x[t * cols + begin]));
      }
      out[t * w.view().rows + row] = tree(parts);
    }
  return out;
}

Array<float> linear(Ops& ops, const Array<float>& x, const Matrix& w) {
  ImmediateQueue queue;
  Array<float> out({x.tensor.rows(), w.view().rows});
  ops.linear(queue, x.tensor, w.view(), out.tensor);
  return out;
}

Array<float> linear_sharded(Ops& ops, const Array<float>& x, const Matrix& w, const VirtualShards& shards) {
  ImmediateQueue queue;
  Array<float> out({x.tensor.rows(), w.view().rows});
  ops.linear_sharded(queue, x.tensor, w.view(), shards, out.tensor);
  return out;
}

TEST(Linear, AgreesWithDoubleLoops) {
  CpuOps ops(2);
  for (const DType type : types)
    for (const std::int64_t tokens : {1, 3, 50}) {
      const Matrix w(type, 37, 1100, 1);
      const auto x = random_array({tokens, 1100}, 2);
      const auto out = linear(ops, x, w);
      for (std::int64_t t = 0; t < tokens; ++t)
        for (std::int64_t row = 0; row < 37; ++row) {
          double sum = 0, size = 0;
          for (std::int64_t i = 0; i < 1100; ++i) {
            sum += double(w.at(row, i)) * x[t * 1100 + i];
            size += std::abs(double(w.at(row, i)) * x[t * 1100 + i]);
          }
          // 128 additions in a block and 9 of blocks, each off by at most 2^-24 of the sum so far.
          ASSERT_NEAR(out[t * 37 + row], sum, size * 137 * 0x1p-24);
        }
    }
}

TEST(Linear, GivesTheBytesOfTheDefinition) {
  for (const DType type : types)
    for (const std::int64_t tokens : {0, 1, 2, 3, 4, 5, 7, 49}) {
      const Matrix w(type, 39, 1100, 3, 32, 64);
      const auto x = random_array({tokens, 1100}, 4);
      const auto expected = reference(x, w, {.first = 0, .count = 1, .total = 1, .columns = 1100});
      with_every_ops([&](Ops& ops) { EXPECT_EQ(linear(ops, x, w), expected) << "type " << int(type); });
    }
}

TEST(Linear, ARowDoesNotDependOnItsBatch) {
  for (const DType type : types) {
    const Matrix w(type, 70, 600, 5);
    const auto x = random_array({33, 600}, 6);
    with_every_ops([&](Ops& ops) {
      const auto all = linear(ops, x, w);
      for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 16, 31}) {
        Array<float> some({rows, 600});
        std::copy_n(x.data.begin() + 600 * (33 - rows), 600 * rows, some.data.begin());
        const auto out = linear(ops, some, w);
        ASSERT_EQ(0, std::memcmp(out.data.data(), &all.data[std::size_t(70 * (33 - rows))],
                                 std::size_t(70 * rows) * 4))
            << rows;
      }
    });
  }
}

// As the same product of inputs that are in the order of the stored columns.
TEST(Linear, StoredColumnsFindTheirInputs) {
  constexpr std::int64_t cols = 300;
  std::vector<std::int32_t> order(cols);
  for (std::int64_t c = 0; c < cols; ++c)
    order[std::size_t(c)] = std::int32_t(c * 7 % cols);  // 7 and 300 share no factor
  for (const DType type : {DType::i4_128, DType::i8_32})
    for (const std::int64_t tokens : {1, 20}) {
      const Matrix w(type, 37, cols, 1);
      const auto x = random_array({tokens, cols}, 2);
      Array<float> ordered({tokens, cols});
      for (std::int64_t i = 0; i < tokens * cols; ++i)
        ordered[i] = x[i / cols * cols + order[std::size_t(i % cols)]];
      Weight stored = w.view();
      stored.order = order.data();
      const VirtualShards shards{.first = 0, .count = 4, .total = 4, .columns = cols};
      const auto expected = reference(ordered, w, shards);
      with_every_ops([&](Ops& ops) {
        ImmediateQueue queue;
        Array<float> out({tokens, 37});
        ops.linear_sharded(queue, x.tensor, stored, shards, out.tensor);
        EXPECT_EQ(out, expected);
      });
    }
}

RC_GTEST_PROP(Linear, EveryPartOfAnyWeightFollowsTheDefinition, ()) {
  const DType type = *rc::gen::elementOf(std::vector<DType>(std::begin(types), std::end(types)));
  const int total = 1 << *rc::gen::inRange(0, 6);
  const int count = 1 << *rc::gen::inRange(0, int(std::bit_width(unsigned(total))));
  const int first = *rc::gen::inRange(0, total / count) * count;
  const std::int64_t columns = *rc::gen::inRange(0, 900), rows = *rc::gen::inRange(1, 40);
  const std::int64_t row0 = *rc::gen::inRange(0, 40), tokens = *rc::gen::inRange(1, 30);
  const Matrix w(type, row0 + rows, columns, *rc::gen::inRange(0u, 1000u), *rc::gen::inRange(1, 40),
                 *rc::gen::inRange(1, 150));
  const VirtualShards shards{.first = first, .count = count, .total = total, .columns = columns};
  const std::int64_t begin = shards.begin(first), end = shards.begin(first + count);
  const Matrix part = w.part(row0, rows, begin, end - begin);
  const auto x = random_array({tokens, end - begin}, 7);
  const auto expected = reference(x, part, shards);
  with_every_ops([&](Ops& ops) { RC_ASSERT(linear_sharded(ops, x, part, shards) == expected); });
}

TEST(Linear, AWeightWithoutColumnsGivesZeroes) {
  for (const DType type : types) {
    const Matrix w(type, 5, 0, 1);
    with_every_ops([&](Ops& ops) {
      EXPECT_EQ(
          linear_sharded(ops, Array<float>({9, 0}), w, {.first = 2, .count = 2, .total = 4, .columns = 0}),
          Array<float>({9, 5}));
    });
  }
}

TEST(Linear, ShardsOverRanksGiveTheBytesOfOneRank) {
  constexpr std::int64_t cols = 16 * 72, rows = 50;
  for (const DType type : types)
    for (const std::int64_t tokens : {1, 9}) {
      const Matrix w(type, rows, cols, 8);
      const auto x = random_array({tokens, cols}, 9);
      CpuOps ops(2);
      const auto whole = linear_sharded(ops, x, w, {.first = 0, .count = 16, .total = 16, .columns = cols});
      for (const int ranks : {2, 4, 16}) {
        std::vector<Array<float>> parts;
        for (int rank = 0; rank < ranks; ++rank) {
          const std::int64_t own = cols / ranks, begin = own * rank;
          Array<float> mine({tokens, own});
          for (std::int64_t t = 0; t < tokens; ++t)
            std::copy_n(x.data.begin() + t * cols + begin, own, mine.data.begin() + t * own);
          parts.push_back(linear_sharded(
              ops, mine, w.part(0, rows, begin, own),
              {.first = 16 / ranks * rank, .count = 16 / ranks, .total = 16, .columns = cols}));
        }
        Array<float> sum({tokens, rows});
        for (std::int64_t i = 0; i < tokens * rows; ++i) {
          std::vector<float> terms;
          for (const auto& part : parts) terms.push_back(part[i]);
          sum[i] = tree(terms);
        }
        EXPECT_EQ(sum, whole) << ranks << " ranks";
      }
    }
}

// 256 times a scale over 2^119 is no number, a scale under
// 2^-126 is subnormal: the product is right all the same.
TEST(Linear, ExtremeScalesAreExact) {
  for (const float scale : {0x1p-149f, 0x1.8p-130f, 0x1p119f, 0x1.8p119f, 0x1p127f})
    for (const std::int64_t tokens : {1, 5}) {
      Matrix w(DType::f8_e4m3, 5, 128, 10);
      w.scales()[0] = scale;
      // x picks one weight a row, so that infinite products do not meet.
      Array<float> x({tokens, 128});
      for (std::int64_t t = 0; t < tokens; ++t) x[t * 128 + 100 + t] = 1;
      with_every_ops([&](Ops& ops) {
        const auto out = linear(ops, x, w);
        for (std::int64_t t = 0; t < tokens; ++t)
          for (std::int64_t row = 0; row < 5; ++row) {
            bool all_finite = true;
            for (std::int64_t i = 0; i < 128; ++i) all_finite = all_finite && std::isfinite(w.at(row, i));
            if (!all_finite) continue;
            ASSERT_EQ(out[t * 5 + row], w.at(row, 100 + t)) << scale;
          }
      });
    }
}

TEST(Project, IsLinearForEachMatrix) {
  const Matrix first(DType::f8_e4m3, 70, 200, 1), second(DType::f32, 3, 200, 2);
  for (const std::int64_t tokens : {0, 1, 20}) {
    const auto x = random_array({tokens, 200}, 3);
    with_every_ops([&](Ops& ops) {
      ImmediateQueue queue;
      Array<float> a({tokens, 70}), b({tokens, 3});
      const Projection projections[] = {{first.view(), a.tensor}, {second.view(), b.tensor}};
      ops.project(queue, x.tensor, projections);
      EXPECT_EQ(a, linear(ops, x, first));
      EXPECT_EQ(b, linear(ops, x, second));
    });
  }
}

TEST(HeadLinear, MultipliesEachHeadByItsMatrix) {
  ImmediateQueue queue;
  constexpr std::int64_t heads = 3, tokens = 6, x_width = 70, out_width = 50, rows = 40, cols = 64;
  std::vector<Matrix> matrices;
  std::vector<Weight> weights;
  for (unsigned h = 0; h < heads; ++h) matrices.emplace_back(DType::f8_e4m3, rows, cols, 20 + h);
  for (const Matrix& m : matrices) weights.push_back(m.view());
  const auto x = random_array({tokens, heads, x_width}, 11);
  with_every_ops([&](Ops& ops) {
    Array<float> out({tokens, heads, out_width});
    std::fill(out.data.begin(), out.data.end(), 7.0f);
    ops.head_linear(queue, x.tensor, weights, out.tensor);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t row = 0; row < out_width; ++row) {
          // What lies past the result is left alone.
          const float expected =
              row >= rows ? 7.0f
                          : chain(matrices[std::size_t(h)], row, 0, cols, &x[(t * heads + h) * x_width]);
          ASSERT_EQ(out[(t * heads + h) * out_width + row], expected);
        }
  });
}

// A process that computes is told from one that hangs by its ticks, so no piece of work may be long: at most
// 2^25 multiply-adds, some milliseconds of one core.
TEST(Ticks, ComeForEachTileOfALargeProduct) {
  constexpr std::int64_t cols = 18432, rows = 96, tokens = 200;
  const Matrix w(DType::bf16, rows, cols, 1);
  const auto x = random_array({tokens, cols}, 2);
  for (const int threads : {1, 3}) {
    TickBoard board;
    CpuOps ops(threads, &board);
    linear(ops, x, w);
    EXPECT_GE(board.count, std::uint64_t(rows * cols * tokens) >> 25);
  }
}

TEST(Targets, Avx512IsAmongThoseCompared) {
  if (targets_of_this_cpu().size() < 2)
    GTEST_SKIP() << "this CPU, or this build, lacks AVX-512, so only AVX2 was tested";
  EXPECT_EQ(targets_of_this_cpu().back(), HWY_AVX3);
}

TEST(Targets, ACpuWithoutThemIsRefused) {
  hwy::SetSupportedTargetsForTest(HWY_SSE4);
  EXPECT_THROW(
      {
        try {
          make_cpu_ops(1);
        } catch (const Error& refused) {
          EXPECT_THAT(refused.what(), ::testing::HasSubstr("this CPU lacks AVX2 and FMA"));
          throw;
        }
      },
      Error);
  hwy::SetSupportedTargetsForTest(0);
}

TEST(LinearDeathTest, WrongShapesStop) {
  CpuOps ops(1);
  const Matrix w(DType::f32, 4, 16, 1);
  EXPECT_DEATH(linear(ops, random_array({1, 17}, 1), w), "shapes of linear");
  EXPECT_DEATH(
      linear_sharded(ops, random_array({1, 16}, 1), w, {.first = 0, .count = 3, .total = 4, .columns = 16}),
      "no subtree");
  EXPECT_DEATH(
      {
        ImmediateQueue queue;
        ops.linear(queue, random_array({1, 16}, 1).tensor, w.as_stored(), Array<float>({1, 4}).tensor);
      },
      "not in panels");
}

}  // namespace
}  // namespace troupe::kernels
