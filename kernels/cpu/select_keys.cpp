#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/attention_check.hpp"
#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/layer_cache.hpp"
#include "kernels/cpu/scores.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/select_keys.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/entries-inl.hpp"
#include "kernels/cpu/scores-inl.hpp"

#ifndef TROUPE_KERNELS_CPU_SELECT_KEYS
#define TROUPE_KERNELS_CPU_SELECT_KEYS
namespace troupe::kernels {

// A row of the step and what scores keys for it.
struct IndexRow {
  const LayerCache* keys;
  const SequenceLayout* sequence;
  const float *q, *weights;  // [heads, n], [heads]
  std::int64_t heads, n;
  std::int64_t sees;  // positions
  float* scores;      // [sees]
  std::int32_t* out;
};

}  // namespace troupe::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// Scores of so many positions from the first on.
void score_keys(const IndexRow& row, std::int64_t first, std::int64_t positions) {
  alignas(64) float products[attention_split * tile_queries];  // [position, head]
  const float* keys[attention_split];
  const EntryForm& form = row.keys->form;
  EntryRoom room;
  room.begin(form, positions);
  for (std::int64_t p = 0; p < positions; ++p)
    keys[p] = room.read(form, cache_entry(*row.keys, *row.sequence, first + p), 0);
  std::fill_n(row.scores + first, positions, 0.0f);
  std::vector<float> turned;
  for (std::int64_t head = 0; head < row.heads; head += tile_queries) {
    const std::int64_t heads = std::min(tile_queries, row.heads - head);
    turn_queries(heads, row.n, turned, [&](std::int64_t h) { return row.q + (head + h) * row.n; });
    score(turned.data(), heads, row.n, keys, positions, products);
    for (std::int64_t p = 0; p < positions; ++p)
      for (std::int64_t h = 0; h < heads; ++h) {
        const float product = products[p * tile_queries + h];
        float& total = row.scores[first + p];
        total = std::fma(row.weights[head + h], product > 0 ? product : 0.0f, total);
      }
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(score_keys);

void select(const IndexRow& row, std::int64_t k) {
  // What is no number is not ordered: it comes last.
  for (float& score : std::span(row.scores, std::size_t(row.sees)))
    if (score != score) score = -std::numeric_limits<float>::infinity();
  std::vector<std::int32_t> order(std::size_t(row.sees));
  std::iota(order.begin(), order.end(), 0);
  const auto before = [&](std::int32_t a, std::int32_t b) {
    return row.scores[a] > row.scores[b] || (row.scores[a] == row.scores[b] && a < b);
  };
  std::nth_element(order.begin(), order.begin() + k, order.end(), before);
  std::sort(order.begin(), order.begin() + k);
  std::copy_n(order.begin(), k, row.out);
}

}  // namespace

void CpuOps::select_keys(Queue&, const Tensor& q, const Tensor& weights, const LayerCache& keys,
                         const StepLayout& layout, Tensor scores, Tensor out) {
  check_select_keys(q, weights, keys, scores, out);
  const std::int64_t heads = q.shape(1), n = q.shape(2), k = out.row_elements();
  std::vector<IndexRow> rows;
  const auto select_all = [&] {  // of the rows that there is room for
    std::vector<std::pair<std::size_t, std::int64_t>> pieces;
    for (std::size_t i = 0; i < rows.size(); ++i)
      for (std::int64_t first = 0; first < rows[i].sees; first += attention_split)
        pieces.emplace_back(i, first);
    pool_.parallel_for(std::int64_t(pieces.size()), 1, [&](std::int64_t piece, std::int64_t) {
      const auto [i, first] = pieces[std::size_t(piece)];
      HWY_DYNAMIC_DISPATCH(score_keys)
      (rows[i], first, std::min(attention_split, rows[i].sees - first));
    });
    pool_.parallel_for(std::int64_t(rows.size()), 1,
                       [&](std::int64_t i, std::int64_t) { select(rows[std::size_t(i)], k); });
    rows.clear();
  };
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= q.rows(), "a sequence beyond the step");
    for (std::int64_t i = 0; i < s.rows; ++i) {
      const std::int64_t row = s.first_row + i, sees = s.first_position + i + 1;
      std::int32_t* const positions = out.as<std::int32_t>() + row * k;
      if (sees <= k) {
        std::iota(positions, positions + sees, 0);
        continue;
      }
      CHECK(sees <= scores.row_elements(), "no room for the scores of a row");
      rows.push_back({&keys, &s, q.as<float>() + row * heads * n, weights.as<float>() + row * heads, heads, n,
                      sees, scores.as<float>() + std::int64_t(rows.size()) * scores.row_elements(),
                      positions});
      if (std::int64_t(rows.size()) == scores.rows()) select_all();
    }
  }
  select_all();
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
