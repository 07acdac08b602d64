#include "kernels/exponential.hpp"
#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

ImmediateQueue queue;

TEST(RmsNorm, AgreesWithDoubleLoops) {
  constexpr std::int64_t tokens = 5, n = 203, stride = 210;
  const auto x = random_array({tokens, stride}, 1, 3), weight = random_array({n}, 2);
  Array<float> expected({tokens, n});
  CpuOps one(1);
  one.rms_norm(queue, x.tensor, weight.tensor, 1e-6f, expected.tensor);
  for (std::int64_t t = 0; t < tokens; ++t) {
    double squares = 0;
    for (std::int64_t i = 0; i < n; ++i) squares += double(x[t * stride + i]) * x[t * stride + i];
    for (std::int64_t i = 0; i < n; ++i) {
      const double exact = x[t * stride + i] / std::sqrt(squares / n + 1e-6) * weight[i];
      ASSERT_NEAR(expected[t * n + i], exact, 1e-6 * std::abs(exact));
    }
  }
  with_every_ops([&](Ops& ops) {
    Array<float> out({tokens, n});
    ops.rms_norm(queue, x.tensor, weight.tensor, 1e-6f, out.tensor);
    EXPECT_EQ(out, expected);
  });
}

TEST(RmsNorm, GivesTheBytesOfTheDefinition) {
  for (const std::int64_t n : {1, 15, 16, 17, 203, 2048, 5000}) {
    constexpr std::int64_t tokens = 20;
    const auto x = random_array({tokens, n}, 11, 3), weight = random_array({n}, 12);
    Array<float> expected({tokens, n});
    for (std::int64_t t = 0; t < tokens; ++t) {
      float lanes[16] = {};
      for (std::int64_t i = 0; i < n; ++i)
        lanes[i % 16] = std::fma(x[t * n + i], x[t * n + i], lanes[i % 16]);
      for (int apart = 8; apart > 0; apart /= 2)
        for (int i = 0; i < apart; ++i) lanes[i] += lanes[i + apart];
      const float factor = 1 / std::sqrt(lanes[0] / float(n) + 1e-6f);
      for (std::int64_t i = 0; i < n; ++i) expected[t * n + i] = x[t * n + i] * factor * weight[i];
    }
    with_every_ops([&](Ops& ops) {
      Array<float> out({tokens, n});
      ops.rms_norm(queue, x.tensor, weight.tensor, 1e-6f, out.tensor);
      EXPECT_EQ(out, expected) << n;
    });
  }
}

TEST(RmsNorm, WorksInPlaceAndRowByRow) {
  const auto x = random_array({4, 100}, 3), weight = random_array({100}, 4);
  CpuOps ops(2);
  Array<float> all({4, 100});
  ops.rms_norm(queue, x.tensor, weight.tensor, 1e-6f, all.tensor);
  auto in_place = random_array({4, 100}, 3);
  for (std::int64_t t = 0; t < 4; ++t) {
    const Tensor row = in_place.tensor.slice(t, 1);
    ops.rms_norm(queue, row, weight.tensor, 1e-6f, row);
  }
  EXPECT_EQ(in_place, all);
}

TEST(LayerNorm, GivesTheBytesOfTheDefinition) {
  for (const std::int64_t n : {1, 16, 17, 128, 1003}) {
    constexpr std::int64_t tokens = 20;  // so many that a sum's last bit shows
    const auto x = random_array({tokens, n}, 21, 3), weight = random_array({n}, 22),
               bias = random_array({n}, 23);
    const auto tree = [](float(&lanes)[16]) {
      for (int apart = 8; apart > 0; apart /= 2)
        for (int i = 0; i < apart; ++i) lanes[i] += lanes[i + apart];
      return lanes[0];
    };
    Array<float> expected({tokens, n});
    for (std::int64_t t = 0; t < tokens; ++t) {
      float sums[16] = {}, squares[16] = {};
      for (std::int64_t i = 0; i < n; ++i) sums[i % 16] += x[t * n + i];
      const float mean = tree(sums) / float(n);
      for (std::int64_t i = 0; i < n; ++i)
        squares[i % 16] = std::fma(x[t * n + i] - mean, x[t * n + i] - mean, squares[i % 16]);
      const float factor = 1 / std::sqrt(tree(squares) / float(n) + 1e-6f);
      for (std::int64_t i = 0; i < n; ++i)
        expected[t * n + i] = (x[t * n + i] - mean) * factor * weight[i] + bias[i];
    }
    with_every_ops([&](Ops& ops) {
      Array<float> out({tokens, n});
      ops.layer_norm(queue, x.tensor, weight.tensor, bias.tensor, 1e-6f, out.tensor);
      EXPECT_EQ(out, expected) << n;
      auto in_place = random_array({tokens, n}, 21, 3);
      ops.layer_norm(queue, in_place.tensor, weight.tensor, bias.tensor, 1e-6f, in_place.tensor);
      EXPECT_EQ(in_place, expected) << n;
    });
  }
}

// 2 units in the last place of exp, and one each for the sum, the division and the product.
TEST(SiluMul, AgreesWithDoubleLoopsOverTheWholeRange) {
  constexpr std::int64_t n = 40'003;
  Array<float> gate({1, n}), up({1, n});
  for (std::int64_t i = 0; i < n; ++i) {
    gate[i] = float(i - n / 2) * 0.005f;
    up[i] = 0.5f + float(i % 7);
  }
  gate[0] = -INFINITY;
  gate[1] = INFINITY;
  gate[2] = -1000;
  with_every_ops([&](Ops& ops) {
    Array<float> out({1, n});
    out.data = gate.data;
    out.tensor = Tensor(out.data.data(), DType::f32, {1, n});
    ops.silu_mul(queue, out.tensor, up.tensor);
    EXPECT_TRUE(std::isnan(out[0]));  // -infinity / infinity
    EXPECT_EQ(out[1], INFINITY);
    EXPECT_EQ(out[2], 0);
    for (std::int64_t i = 3; i < n; ++i) {
      const double exact = gate[i] / (1 + std::exp(-double(gate[i]))) * up[i];
      // Under exp(-87) the polynomial's overflow makes the result 0.
      ASSERT_NEAR(out[i], exact, 5 * 0x1p-23 * std::abs(exact) + 1e-35) << gate[i];
    }
  });
}

// exp as kernels/exponential.hpp defines it, of what is neither too high nor too low.
float exp_of_the_definition(float x) {
  using namespace exponential;
  const float n = std::rint(x * log2_of_e), r = std::fma(-n, ln2_low, std::fma(-n, ln2_high, x));
  float p = p0;
  for (const float next : {p1, p2, p3, p4, p5}) p = std::fma(p, r, next);
  return std::ldexp(std::fma(p, r * r, r) + 1, int(n));
}

// The fused steps of exp, but the first, by gates whose result one rounding more would change: of all floats few show it.
TEST(SiluMul, RoundsEachStepOfExpOnce) {
  const std::vector gates{-20.1123505f, -0.227350444f, -0.167673633f,
                          -21.1273861f, -20.0575867f,  -20.0121384f};
  const auto n = std::int64_t(gates.size());
  with_every_ops([&](Ops& ops) {
    Array<float> gate({1, n}), up({1, n});
    std::ranges::copy(gates, gate.data.begin());
    std::ranges::fill(up.data, 1.0f);
    ops.silu_mul(queue, gate.tensor, up.tensor);
    for (std::int64_t i = 0; i < n; ++i) {
      const float x = gates[std::size_t(i)];
      EXPECT_EQ(gate[i], x / (1 + exp_of_the_definition(-x))) << x;
    }
  });
}

TEST(SiluMul, BytesDoNotDependOnThreadsOrInstructions) {
  const auto x = random_array({3, 30'001}, 5, 20), up = random_array({3, 30'001}, 6);
  Array<float> expected({3, 30'001});
  std::copy(x.data.begin(), x.data.end(), expected.data.begin());
  CpuOps one(1);
  one.silu_mul(queue, expected.tensor, up.tensor);
  with_every_ops([&](Ops& ops) {
    Array<float> out({3, 30'001});
    std::copy(x.data.begin(), x.data.end(), out.data.begin());
    ops.silu_mul(queue, out.tensor, up.tensor);
    EXPECT_EQ(out, expected);
  });
}

TEST(AddRow, AddsTheRowToEveryRow) {
  for (const std::int64_t n : {1, 16, 41}) {
    constexpr std::int64_t rows = 23;
    const auto row = random_array({n}, 2);
    with_every_ops([&](Ops& ops) {
      const auto before = random_array({rows, n}, 1);
      auto x = random_array({rows, n}, 1);
      ops.add_row(queue, x.tensor, row.tensor);
      for (std::int64_t i = 0; i < rows * n; ++i) ASSERT_EQ(x[i], before[i] + row[i % n]);
    });
  }
}

TEST(Add, AddsInPlace) {
  const auto y = random_array({7, 5001}, 7);
  with_every_ops([&](Ops& ops) {
    auto x = random_array({7, 5001}, 8);
    const auto before = random_array({7, 5001}, 8);
    ops.add(queue, x.tensor, y.tensor);
    for (std::int64_t i = 0; i < x.tensor.elements(); ++i) ASSERT_EQ(x[i], before[i] + y[i]);
  });
}

}  // namespace
}  // namespace troupe::kernels
