#include <limits>
#include <memory>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/latent_cache.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/dot-inl.hpp"
#include "kernels/cpu/exp-inl.hpp"

#ifndef TROUPE_KERNELS_CPU_ATTENTION
#define TROUPE_KERNELS_CPU_ATTENTION
namespace troupe::kernels {

constexpr std::int64_t tile_queries = 32;

// What one call computes: `queries` vectors of one sequence,
// each [latent + rope], head after head and row after row.
struct AttentionTile {
  const LatentCache* cache;
  const SequenceLayout* sequence;
  const float* q;        // of the first query
  float* out;            // of the first query: [queries, latent]
  std::int64_t first;    // index of the first query in the sequence: row * heads + head
  std::int64_t queries;  // at most tile_queries
  std::int64_t heads;
  std::int64_t latent;
  float scale;

  // How many positions a query sees.
  std::int64_t visible(std::int64_t query) const {
    return sequence->first_position + (first + query) / heads + 1;
  }
  std::int64_t splits() const { return (visible(queries - 1) + attention_split - 1) / attention_split; }
};

// Softmax-weighted sums over some of a context's positions, for the queries of a tile: weights are
// relative to exp(highest), so that parts can be joined (Milakov and Gimelshein 2018, "Online normalizer
// calculation for softmax"). Where parts end is fixed: cut by the number of threads, as Flash-Decoding
// does, the sums would round by that number.
struct PartialAttention {
  float highest[tile_queries];
  float weight[tile_queries];   // sum of the weights
  std::vector<float> weighted;  // [queries, latent]
};

// What a thread needs.
struct AttentionWorkspace {
  alignas(64) float weights[tile_queries * attention_split];  // [query, position]
  const float* keys[attention_split];
  PartialAttention split, joined;
};

inline AttentionWorkspace& attention_workspace() {
  thread_local const auto space = std::make_unique<AttentionWorkspace>();
  return *space;
}

}  // namespace troupe::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// weights[query][position] = scale * q . key
HWY_NOINLINE void score(const AttentionTile& tile, std::int64_t positions, AttentionWorkspace& space) {
  const std::int64_t n = tile.cache->data.shape(2);
  each_block<block_b>(tile.queries, [&](std::int64_t query, auto size) LANES_INLINE {
    constexpr int queries = size();
    const float* b[queries];
    for (int j = 0; j < queries; ++j) b[j] = tile.q + (query + j) * n;
    for (std::int64_t position = 0; position < positions; position += block_a) {
      // The last block repeats a key, whose scores nobody reads.
      const float* a[block_a];
      for (int i = 0; i < block_a; ++i) a[i] = space.keys[std::min(position + i, positions - 1)];
      Sums<block_a, queries> sums;
      clear<block_a, queries>(sums);
      dot<block_a, queries>(a, b, n, sums);
#pragma GCC unroll 8
      for (int i = 0; i < block_a; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < queries; ++j)
          space.weights[(query + j) * attention_split + position + i] = sum(sums[i][j]) * tile.scale;
    }
  });
}

// Scores of the first n positions become weights relative to the highest; the rest of a split gets 0.
HWY_INLINE void weigh(float* weights, std::int64_t n, float& highest, float& total) {
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  highest = lowest;
  total = 0;
  if (n == 0) return;
  std::fill(weights + n, weights + attention_split, lowest);
  Lanes most = broadcast(lowest);
  for (std::int64_t i = 0; i < attention_split; i += lanes) most = maximum(most, load(weights + i));
  highest = maximum(most);
  const Lanes minus = broadcast(-highest);
  Lanes sums = zero();
  for (std::int64_t i = 0; i < attention_split; i += lanes) {
    const Lanes w = exp(add(load(weights + i), minus));
    store(w, weights + i);
    sums = add(sums, w);
  }
  total = sum(sums);
}

// out[query][c..] += sum over positions [begin, end) of weight times latent, for C * 16 latent columns.
template <int Q, int C>
HWY_INLINE void gather_values(const float* weights, const float* const* keys, std::int64_t begin,
                              std::int64_t end, std::int64_t column, std::int64_t length, std::int64_t latent,
                              float* out) {
  Lanes sums[Q][C];
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sums[i][c] = load_part(out + i * latent + column + c * lanes, length);
  for (std::int64_t p = begin; p < end; ++p) {
    Lanes values[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) values[c] = load_part(keys[p] + column + c * lanes, length);
#pragma GCC unroll 8
    for (int i = 0; i < Q; ++i) {
      const Lanes w = broadcast(weights[i * attention_split + p]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[i][c] = multiply_add(w, values[c], sums[i][c]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) store_part(sums[i][c], out + i * latent + column + c * lanes, length);
}

// The same for all columns.
template <int Q>
HWY_NOINLINE void gather_values(const float* weights, const float* const* keys, std::int64_t begin,
                                std::int64_t end, std::int64_t latent, float* out) {
  if (begin >= end) return;
  constexpr int columns = wide ? 4 : 1;  // registers of 16 lanes a query
  std::int64_t column = 0;
  for (; column + columns * lanes <= latent; column += columns * lanes)
    gather_values<Q, columns>(weights, keys, begin, end, column, lanes, latent, out);
  for (; column < latent; column += lanes)
    gather_values<Q, 1>(weights, keys, begin, end, column, std::min<std::int64_t>(lanes, latent - column),
                        latent, out);
}

// Attention to the positions of one split alone.
void attend_to_split(const AttentionTile& tile, std::int64_t split, PartialAttention& result) {
  constexpr int block = 4;  // queries
  AttentionWorkspace& space = attention_workspace();
  const std::int64_t begin = split * attention_split;
  auto visible = [&](std::int64_t query) {
    return std::clamp<std::int64_t>(tile.visible(query) - begin, 0, attention_split);
  };
  const std::int64_t positions = visible(tile.queries - 1);  // later rows see more
  for (std::int64_t i = 0; i < positions; ++i)
    space.keys[i] = cache_entry(*tile.cache, *tile.sequence, begin + i);
  score(tile, positions, space);
  for (std::int64_t q = 0; q < tile.queries; ++q)
    weigh(space.weights + q * attention_split, visible(q), result.highest[q], result.weight[q]);
  result.weighted.assign(std::size_t(tile.queries * tile.latent), 0.0f);
  for (std::int64_t q = 0; q < tile.queries; q += block) {
    // Queries of a block share the positions that the first one sees; the rest is done one by one, so that
    // every query adds the same terms as it would alone.
    const std::int64_t size = std::min<std::int64_t>(block, tile.queries - q);
    const std::int64_t shared = size == block ? visible(q) : 0;
    const float* weights = space.weights + q * attention_split;
    float* const out = result.weighted.data() + q * tile.latent;
    gather_values<block>(weights, space.keys, 0, shared, tile.latent, out);
    for (std::int64_t i = 0; i < size; ++i)
      gather_values<1>(weights + i * attention_split, space.keys, shared, visible(q + i), tile.latent,
                       out + i * tile.latent);
  }
}

// Appends the attention to later positions.
void join_split(const AttentionTile& tile, const PartialAttention& split, PartialAttention& joined) {
  for (std::int64_t q = 0; q < tile.queries; ++q) {
    if (split.weight[q] == 0) continue;  // a split that the query does not see
    const float highest = std::max(joined.highest[q], split.highest[q]);
    const float before = exp(joined.highest[q] - highest), after = exp(split.highest[q] - highest);
    joined.highest[q] = highest;
    joined.weight[q] = joined.weight[q] * before + split.weight[q] * after;
    float* const to = joined.weighted.data() + q * tile.latent;
    const float* const from = split.weighted.data() + q * tile.latent;
    each_chunk(tile.latent, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
      const Lanes old = multiply(load_part(to + i, length), broadcast(before));
      store_part(multiply_add(load_part(from + i, length), broadcast(after), old), to + i, length);
    });
  }
}

void finish(const AttentionTile& tile, const PartialAttention& joined) {
  for (std::int64_t q = 0; q < tile.queries; ++q) {
    const Lanes factor = broadcast(1 / joined.weight[q]);
    const float* const from = joined.weighted.data() + q * tile.latent;
    float* const to = tile.out + q * tile.latent;
    each_chunk(tile.latent, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
      store_part(multiply(load_part(from + i, length), factor), to + i, length);
    });
  }
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(attend_to_split);
HWY_EXPORT(join_split);
HWY_EXPORT(finish);

void begin(const AttentionTile& tile, PartialAttention& joined) {
  std::fill_n(joined.highest, tile_queries, -std::numeric_limits<float>::infinity());
  std::fill_n(joined.weight, tile_queries, 0.0f);
  joined.weighted.assign(std::size_t(tile.queries * tile.latent), 0.0f);
}

std::vector<AttentionTile> cut_into_tiles(const Tensor& q, const LatentCache& cache, const StepLayout& layout,
                                          float scale, const Tensor& out) {
  const std::int64_t heads = q.shape(1), width = q.shape(2), latent = out.shape(2);
  std::vector<AttentionTile> tiles;
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= q.rows(), "a sequence beyond the step");
    for (std::int64_t first = 0; first < s.rows * heads; first += tile_queries)
      tiles.push_back({.cache = &cache,
                       .sequence = &s,
                       .q = q.as<float>() + (s.first_row * heads + first) * width,
                       .out = out.as<float>() + (s.first_row * heads + first) * latent,
                       .first = first,
                       .queries = std::min(tile_queries, s.rows * heads - first),
                       .heads = heads,
                       .latent = latent,
                       .scale = scale});
  }
  return tiles;
}

// Enough tiles to keep the threads busy: each runs through its splits alone.
void attend_by_tile(ThreadPool& pool, const std::vector<AttentionTile>& tiles) {
  pool.parallel_for(std::int64_t(tiles.size()), 1, [&](std::int64_t i, std::int64_t) {
    const AttentionTile& tile = tiles[std::size_t(i)];
    AttentionWorkspace& space = attention_workspace();
    begin(tile, space.joined);
    for (std::int64_t split = 0; split < tile.splits(); ++split) {
      HWY_DYNAMIC_DISPATCH(attend_to_split)(tile, split, space.split);
      HWY_DYNAMIC_DISPATCH(join_split)(tile, space.split, space.joined);
      pool.piece_done();  // a tile of a long context takes long
    }
    HWY_DYNAMIC_DISPATCH(finish)(tile, space.joined);
  });
}

// Few tiles, as for one sequence of long context: their splits are shared out too, some at a time so that
// memory does not grow with the context.
void attend_by_split(ThreadPool& pool, const std::vector<AttentionTile>& tiles) {
  constexpr std::int64_t splits_at_once_per_thread = 4;
  const auto count = std::int64_t(tiles.size());
  const std::int64_t at_once = 1 + splits_at_once_per_thread * pool.threads() / count;
  std::int64_t splits = 0;
  for (const AttentionTile& tile : tiles) splits = std::max(splits, tile.splits());
  std::vector<PartialAttention> parts(std::size_t(count * at_once)), joined(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < tiles.size(); ++i) begin(tiles[i], joined[i]);
  for (std::int64_t first = 0; first < splits; first += at_once) {
    pool.parallel_for(count * at_once, 1, [&](std::int64_t i, std::int64_t) {
      const AttentionTile& tile = tiles[std::size_t(i / at_once)];
      const std::int64_t split = first + i % at_once;
      if (split < tile.splits()) HWY_DYNAMIC_DISPATCH(attend_to_split)(tile, split, parts[std::size_t(i)]);
    });
    pool.parallel_for(count, 1, [&](std::int64_t i, std::int64_t) {
      const AttentionTile& tile = tiles[std::size_t(i)];
      for (std::int64_t s = 0; s < at_once && first + s < tile.splits(); ++s)
        HWY_DYNAMIC_DISPATCH(join_split)(tile, parts[std::size_t(i * at_once + s)], joined[std::size_t(i)]);
    });
  }
  for (std::size_t i = 0; i < tiles.size(); ++i) HWY_DYNAMIC_DISPATCH(finish)(tiles[i], joined[i]);
}

}  // namespace

void CpuOps::mla_attention(Queue&, const Tensor& q, const LatentCache& cache, const StepLayout& layout,
                           float scale, Tensor out) {
  CHECK(q.rank() == 3 && out.rank() == 3 && cache.data.rank() == 3, "ranks of mla_attention");
  CHECK(q.rows() == out.rows() && q.shape(1) == out.shape(1), "rows of mla_attention");
  CHECK(q.shape(2) == cache.data.shape(2) && out.shape(2) <= q.shape(2), "widths of mla_attention");
  const std::vector<AttentionTile> tiles = cut_into_tiles(q, cache, layout, scale, out);
  if (tiles.empty()) return;
  const bool many = std::int64_t(tiles.size()) >= 2 * pool_.threads();
  many || pool_.threads() == 1 ? attend_by_tile(pool_, tiles) : attend_by_split(pool_, tiles);
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
