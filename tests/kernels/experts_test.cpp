#include <gmock/gmock.h>

#include "tests/kernels/fixture.hpp"

namespace troupe::kernels {
namespace {

constexpr std::int64_t hidden = 48, intermediate = 80;
constexpr int experts = 6;

// All experts of a layer, or what one of several ranks has of each.
struct Layer {
  std::vector<Matrix> matrices;  // gate, up, down of each
  std::vector<Expert> views;
  VirtualShards shards{.first = 0, .count = 16, .total = 16, .columns = intermediate};

  explicit Layer(DType type) : Layer(type, type, type) {}
  Layer(DType gate, DType up, DType down) {
    for (unsigned e = 0; e < experts; ++e) {
      matrices.emplace_back(gate, intermediate, hidden, 3 * e);
      matrices.emplace_back(up, intermediate, hidden, 3 * e + 1);
      matrices.emplace_back(down, hidden, intermediate, 3 * e + 2);
    }
    view();
  }
  Layer(const Layer& all, int rank, int ranks) {
    shards = {.first = 16 / ranks * rank, .count = 16 / ranks, .total = 16, .columns = intermediate};
    const std::int64_t begin = shards.begin(shards.first);
    const std::int64_t size = shards.begin(shards.first + shards.count) - begin;
    for (std::size_t i = 0; i < all.matrices.size(); i += 3) {
      matrices.push_back(all.matrices[i].part(begin, size, 0, hidden));
      matrices.push_back(all.matrices[i + 1].part(begin, size, 0, hidden));
      matrices.push_back(all.matrices[i + 2].part(0, hidden, begin, size));
    }
    view();
  }
  void view() {
    for (std::size_t i = 0; i < matrices.size(); i += 3)
      views.push_back(
          {.gate = matrices[i].view(), .up = matrices[i + 1].view(), .down = matrices[i + 2].view()});
  }

  // All experts, stored in order of their ids.
  ExpertWeights weights() const {
    static const std::vector<std::int32_t> in_order{0, 1, 2, 3, 4, 5};
    return {.place_of = in_order, .experts = views, .shards = shards};
  }
};

// Visits of tokens, of which there are fewer.
struct Batch {
  Array<float> rows;
  Array<std::int32_t> row_of, ids, counts;
  ExpertBatch view;

  Batch(std::int64_t capacity, std::int32_t used, unsigned seed)
      : rows(random_array({(capacity + 2) / 3, hidden}, seed)),
        row_of({capacity}),
        ids({capacity}),
        counts({2}) {
    Random random(seed + 1);
    counts[0] = std::int32_t(rows.tensor.rows());
    counts[1] = used;
    for (std::int64_t i = 0; i < capacity; ++i) {
      ids[i] = std::int32_t(random.below(experts));
      row_of[i] = std::int32_t(random.below(counts[0]));
    }
    view = {.rows = rows.tensor,
            .visit_rows = row_of.tensor,
            .visit_experts = ids.tensor,
            .counts = counts.tensor};
  }

  const float* row(std::int64_t visit) const { return &rows[row_of[visit] * hidden]; }
};

Array<float> compute(Ops& ops, const Batch& batch, const ExpertWeights& local) {
  ImmediateQueue queue;
  auto out = random_array({batch.ids.tensor.rows(), hidden}, 77);  // stays, where nothing is written
  ops.experts(queue, batch.view, local, out.tensor);
  return out;
}

TEST(Experts, AgreeWithDoubleLoops) {
  CpuOps ops(2);
  const Layer layer(DType::f32);
  const Batch batch(40, 37, 1);
  const auto out = compute(ops, batch, layer.weights());
  for (std::int64_t r = 0; r < 37; ++r) {
    const Matrix* const m = &layer.matrices[std::size_t(3 * batch.ids[r])];
    std::vector<double> inner(intermediate);
    for (std::int64_t i = 0; i < intermediate; ++i) {
      double gate = 0, up = 0;
      for (std::int64_t k = 0; k < hidden; ++k) {
        gate += double(m[0].at(i, k)) * batch.row(r)[k];
        up += double(m[1].at(i, k)) * batch.row(r)[k];
      }
      inner[std::size_t(i)] = gate / (1 + std::exp(-gate)) * up;
    }
    for (std::int64_t k = 0; k < hidden; ++k) {
      double sum = 0, size = 0;
      for (std::int64_t i = 0; i < intermediate; ++i) {
        sum += m[2].at(k, i) * inner[std::size_t(i)];
        size += std::abs(m[2].at(k, i) * inner[std::size_t(i)]);
      }
      ASSERT_NEAR(out[r * hidden + k], sum, size * 1e-5);
    }
  }
}

TEST(Experts, AVisitsBytesDoNotDependOnItsBatch) {
  const Layer layers[]{Layer(DType::f8_e4m3), Layer(DType::bf16),
                       Layer(DType::q4_0, DType::q4_k, DType::q6_k)};
  for (const Layer& layer : layers) {
    const Batch batch(60, 60, 3);
    CpuOps one(1);
    const auto expected = compute(one, batch, layer.weights());
    with_every_ops([&](Ops& ops) {
      EXPECT_EQ(compute(ops, batch, layer.weights()), expected);
      for (const std::int64_t r : {0, 13, 59}) {
        Batch alone(1, 1, 0);
        std::copy_n(batch.row(r), hidden, alone.rows.data.begin());
        alone.ids[0] = batch.ids[r];
        const auto out = compute(ops, alone, layer.weights());
        EXPECT_EQ(0, std::memcmp(out.data.data(), &expected[r * hidden], hidden * 4));
      }
    });
  }
}

TEST(Experts, EachMayHaveTypesOfItsOwn) {
  const Layer plain(DType::bf16), packed(DType::i4_32), scaled(DType::nvfp4);
  Layer mixed(DType::bf16);
  mixed.views[1] = packed.views[1];
  mixed.views[2].down = packed.views[2].down;
  mixed.views[4].up = scaled.views[4].up;
  const Batch batch(60, 60, 3);
  CpuOps one(1);
  const auto expected = compute(one, batch, mixed.weights());
  const auto of_plain = compute(one, batch, plain.weights()),
             of_packed = compute(one, batch, packed.weights());
  for (std::int64_t i = 0; i < 60 * hidden; ++i) {
    const std::int32_t expert = batch.ids[i / hidden];
    if (expert == 1) {
      ASSERT_EQ(expected[i], of_packed[i]);
    } else if (expert != 2 && expert != 4) {
      ASSERT_EQ(expected[i], of_plain[i]);
    }
  }
  with_every_ops([&](Ops& ops) { EXPECT_EQ(compute(ops, batch, mixed.weights()), expected); });
}

TEST(Experts, VisitsToOtherRanksExpertsAndUnusedOnesAreNotComputed) {
  with_every_ops([&](Ops& ops) {
    const Layer layer(DType::f8_e4m3);
    Batch batch(20, 15, 5);
    for (std::int64_t unused = 15; unused < 20; ++unused) batch.ids[unused] = 1 << 30;
    const auto all = compute(ops, batch, layer.weights()), as_it_was = random_array({20, hidden}, 77);
    // Any set of experts, in any order.
    const std::vector<Expert> here{layer.views[4], layer.views[1]};
    const std::vector<std::int32_t> places{-1, 1, -1, -1, 0, -1}, nowhere(experts, -1);
    const auto some = compute(ops, batch, {.place_of = places, .experts = here, .shards = layer.shards});
    int computed = 0;
    const std::int64_t used = 15 * hidden;
    for (std::int64_t i = 0; i < used; ++i) {
      const bool local = batch.ids[i / hidden] == 4 || batch.ids[i / hidden] == 1;
      computed += local;
      ASSERT_EQ(some[i], local ? all[i] : 0.0f);
    }
    for (const auto& out : {&all, &some})
      EXPECT_TRUE(std::equal(out->data.begin() + used, out->data.end(), as_it_was.data.begin() + used));
    ASSERT_GT(computed, 0);
    const auto none = compute(ops, batch, {.place_of = nowhere, .experts = {}, .shards = layer.shards});
    for (std::int64_t i = 0; i < used; ++i) ASSERT_EQ(none[i], 0.0f);
  });
}

// On a GPU nobody else has seen them.
TEST(Experts, VisitsThatNoDispatchMakesFailAGpu) {
  if (cuda::tests_run_on_a_real_gpu()) GTEST_SKIP() << "a real one is of no more use then";
  const Layer layer(DType::f32);
  const auto fault_of = [&](auto spoil) {
    Batch batch(6, 6, 1);
    spoil(batch);
    const cuda::GpuUnderTest device;
    const auto gpu = cuda::GpuUnderTest::make_ops();
    MirroredOps ops(*gpu);
    EXPECT_THROW(compute(ops, batch, layer.weights()), Error);
    return device.fault().value_or("");
  };
  using testing::HasSubstr;
  EXPECT_THAT(fault_of([](Batch& batch) { batch.counts[0] = 3; }), HasSubstr("k.counts[0] >= 0"));
  EXPECT_THAT(fault_of([](Batch& batch) { batch.counts[1] = -1; }), HasSubstr("k.counts[0] >= 0"));
  EXPECT_THAT(fault_of([](Batch& batch) { batch.ids[5] = experts; }), HasSubstr("k.visit_experts"));
  EXPECT_THAT(fault_of([](Batch& batch) { batch.row_of[0] = 2; }), HasSubstr("k.visit_rows"));
}

TEST(Experts, PartsOverRanksAddUpToTheBytesOfOneRank) {
  with_every_ops([&](Ops& ops) {
    const Layer layer(DType::f8_e4m3);
    const Batch batch(20, 20, 7);
    const auto whole = compute(ops, batch, layer.weights());
    for (const int ranks : {2, 4}) {
      std::vector<Array<float>> parts;
      for (int rank = 0; rank < ranks; ++rank)
        parts.push_back(compute(ops, batch, Layer(layer, rank, ranks).weights()));
      for (; parts.size() > 1; parts.erase(parts.begin() + std::ptrdiff_t(parts.size() / 2), parts.end()))
        for (std::size_t i = 0; i < parts.size() / 2; ++i)
          for (std::int64_t k = 0; k < 20 * hidden; ++k) {
            const float sum = parts[2 * i][k] + parts[2 * i + 1][k];
            parts[i][k] = sum;
          }
      EXPECT_EQ(parts[0].data, whole.data) << ranks << " ranks";
    }
  });
}

TEST(Experts, ListOfVisitsAndWeightedSumAreTheirFrame) {
  ImmediateQueue queue;
  constexpr std::int64_t tokens = 5, slots = 3, n = 37;
  const auto x = random_array({tokens, n}, 9), weights = random_array({tokens, slots}, 10);
  Array<std::int32_t> chosen({tokens, slots});
  for (std::int64_t i = 0; i < tokens * slots; ++i) chosen[i] = std::int32_t(i * 7 % 11);
  const Routing routing{.experts = chosen.tensor, .weights = weights.tensor};
  with_every_ops([&](Ops& ops) {
    Array<float> rows({tokens * slots + 2, n}), out({tokens, n});
    Array<std::int32_t> row_of({tokens * slots + 2}), ids({tokens * slots + 2}), counts({2});
    ExpertBatch batch{
        .rows = x.tensor, .visit_rows = row_of.tensor, .visit_experts = ids.tensor, .counts = counts.tensor};
    ops.list_visits(queue, routing, batch);
    ASSERT_EQ(counts[0], tokens);
    ASSERT_EQ(counts[1], tokens * slots);
    for (std::int64_t i = 0; i < tokens * slots; ++i) {
      ASSERT_EQ(ids[i], chosen[i]);
      ASSERT_EQ(row_of[i], i / slots);
      for (std::int64_t k = 0; k < n; ++k)  // as if experts had worked
        rows[i * n + k] = x[row_of[i] * n + k] + float(i);
    }
    ops.weighted_sum(queue, rows.tensor, routing, out.tensor);
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t k = 0; k < n; ++k) {
        float sum = weights[t * slots] * rows[t * slots * n + k];
        for (std::int64_t s = 1; s < slots; ++s)
          sum = std::fma(weights[t * slots + s], rows[(t * slots + s) * n + k], sum);
        ASSERT_EQ(out[t * n + k], sum);
      }
  });
}

}  // namespace
}  // namespace troupe::kernels
