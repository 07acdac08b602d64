#include <limits>
#include <memory>

#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/latent_cache.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/blocks-inl.hpp"
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
  // And how many of a split's.
  std::int64_t visible_in(std::int64_t query, std::int64_t split) const {
    return std::clamp<std::int64_t>(visible(query) - split * attention_split, 0, attention_split);
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
  alignas(64) float weights[attention_split * tile_queries];  // [position, query]
  const float* keys[attention_split];
  PartialAttention split, joined;
  std::vector<float> turned;  // queries of a tile
};

inline AttentionWorkspace& attention_workspace() {
  thread_local const auto space = std::make_unique<AttentionWorkspace>();
  return *space;
}

}  // namespace troupe::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// Lanes are queries: each of them adds alone, as a thread of a GPU would, and nothing is summed across lanes.

// q [query, n] as [n, tile_queries]; what is behind the last query is 0.
void turn_queries(const AttentionTile& tile, std::vector<float>& turned) {
  const std::int64_t n = tile.cache->data.shape(2);
  turned.assign(std::size_t(n * tile_queries), 0.0f);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t query = 0; query < tile.queries; ++query)
      turned[std::size_t(i * tile_queries + query)] = tile.q[query * n + i];
}

// scores[position][..] += keys[position] . q over columns [begin, end), for P positions and G * 16 queries.
template <int P, int G>
HWY_INLINE void score_columns(const float* const* keys, const float* queries, std::int64_t begin,
                              std::int64_t end, float* scores) {
  Lanes sums[P][G];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) sums[p][g] = zero();
  for (std::int64_t i = begin; i < end; ++i) {
    Lanes q[G];
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) q[g] = load(queries + i * tile_queries + g * lanes);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      const Lanes key = broadcast(keys[p][i]);
#pragma GCC unroll 8
      for (int g = 0; g < G; ++g) sums[p][g] = multiply_add(key, q[g], sums[p][g]);
    }
  }
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 8
    for (int g = 0; g < G; ++g) {
      float* const to = scores + p * tile_queries + g * lanes;
      store(begin == 0 ? sums[p][g] : add(load(to), sums[p][g]), to);
    }
}

// weights[position][query] = q . key, as the chain of kernels/cpu/chain.hpp.
template <int G>
HWY_NOINLINE void score(const float* turned, std::int64_t n, std::int64_t positions, std::int64_t first_query,
                        AttentionWorkspace& space) {
  constexpr int most = wide ? 8 : 6;  // positions whose sums fit into the registers
  each_block<most>(positions, [&](std::int64_t position, auto size) LANES_INLINE {
    for (std::int64_t begin = 0; begin < n; begin += chain_block)
      score_columns<size(), G>(space.keys + position, turned + first_query, begin,
                               std::min(n, begin + chain_block),
                               space.weights + position * tile_queries + first_query);
  });
}

void score(const AttentionTile& tile, const float* turned, std::int64_t positions,
           AttentionWorkspace& space) {
  constexpr int most = wide ? 2 : 1;
  for (std::int64_t first = 0; first < tile.queries; first += most * lanes)
    with_constant<most>((tile.queries - first + lanes - 1) / lanes, [&](auto groups) {
      score<groups()>(turned, tile.cache->data.shape(2), positions, first, space);
    });
}

// Scores of 16 queries become weights relative to the highest of each; those of positions that a query does not see, 0.
HWY_INLINE void weigh(const AttentionTile& tile, std::int64_t split, std::int64_t first_query,
                      std::int64_t positions, float* weights, PartialAttention& result) {
  constexpr float lowest = std::numeric_limits<float>::lowest();
  const Lanes scale = broadcast(tile.scale);
  for (std::int64_t query = first_query; query < std::min(tile.queries, first_query + lanes); ++query)
    for (std::int64_t p = tile.visible_in(query, split); p < positions; ++p)
      weights[p * tile_queries + query] = -std::numeric_limits<float>::infinity();
  Lanes highest = broadcast(-std::numeric_limits<float>::infinity()), sums = zero();
  for (std::int64_t p = 0; p < positions; ++p) {
    float* const at = weights + p * tile_queries + first_query;
    const Lanes scaled = multiply(load(at), scale);
    store(scaled, at);
    highest = maximum(highest, scaled);
  }
  // Of a query that sees none of them the weights are exp(-infinity), too.
  const Lanes minus = multiply(maximum(highest, broadcast(lowest)), broadcast(-1));
  for (std::int64_t p = 0; p < positions; ++p) {
    float* const at = weights + p * tile_queries + first_query;
    const Lanes w = exp(add(load(at), minus));
    store(w, at);
    sums = add(sums, w);
  }
  store(highest, result.highest + first_query);
  store(sums, result.weight + first_query);
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
      const Lanes w = broadcast(weights[p * tile_queries + i]);
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

// Attention to the positions of one split alone. turned: the tile's queries, by turn_queries.
void attend_to_split(const AttentionTile& tile, const std::vector<float>& turned, std::int64_t split,
                     PartialAttention& result) {
  constexpr int block = 4;  // queries
  AttentionWorkspace& space = attention_workspace();
  // Later rows see more.
  const std::int64_t positions = tile.visible_in(tile.queries - 1, split);
  for (std::int64_t i = 0; i < positions; ++i)
    space.keys[i] = cache_entry(*tile.cache, *tile.sequence, split * attention_split + i);
  score(tile, turned.data(), positions, space);
  for (std::int64_t q = 0; q < tile.queries; q += lanes)
    weigh(tile, split, q, positions, space.weights, result);
  result.weighted.assign(std::size_t(tile.queries * tile.latent), 0.0f);
  for (std::int64_t q = 0; q < tile.queries; q += block) {
    // Queries of a block share the positions that the first one sees; the rest is done one by one, so that
    // every query adds the same terms as it would alone.
    const std::int64_t size = std::min<std::int64_t>(block, tile.queries - q);
    const std::int64_t shared = size == block ? tile.visible_in(q, split) : 0;
    float* const out = result.weighted.data() + q * tile.latent;
    gather_values<block>(space.weights + q, space.keys, 0, shared, tile.latent, out);
    for (std::int64_t i = 0; i < size; ++i)
      gather_values<1>(space.weights + q + i, space.keys, shared, tile.visible_in(q + i, split), tile.latent,
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

HWY_EXPORT(turn_queries);
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
    HWY_DYNAMIC_DISPATCH(turn_queries)(tile, space.turned);
    for (std::int64_t split = 0; split < tile.splits(); ++split) {
      HWY_DYNAMIC_DISPATCH(attend_to_split)(tile, space.turned, split, space.split);
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
  std::vector<std::vector<float>> turned(tiles.size());
  pool.parallel_for(count, 1, [&](std::int64_t i, std::int64_t) {
    begin(tiles[std::size_t(i)], joined[std::size_t(i)]);
    HWY_DYNAMIC_DISPATCH(turn_queries)(tiles[std::size_t(i)], turned[std::size_t(i)]);
  });
  for (std::int64_t first = 0; first < splits; first += at_once) {
    pool.parallel_for(count * at_once, 1, [&](std::int64_t i, std::int64_t) {
      const AttentionTile& tile = tiles[std::size_t(i / at_once)];
      const std::int64_t split = first + i % at_once;
      if (split < tile.splits()) HWY_DYNAMIC_DISPATCH(attend_to_split)
      (tile, turned[std::size_t(i / at_once)], split, parts[std::size_t(i)]);
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
