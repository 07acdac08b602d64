#include <limits>
#include <memory>

#include "kernels/attention_check.hpp"
#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/layer_cache.hpp"
#include "kernels/cpu/scores.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/entries-inl.hpp"
#include "kernels/cpu/exp-inl.hpp"
#include "kernels/cpu/scores-inl.hpp"

#ifndef TROUPE_KERNELS_CPU_ATTENTION
#define TROUPE_KERNELS_CPU_ATTENTION
namespace troupe::kernels {

// What one call computes: queries of one sequence that share keys, head after head and row after row.
struct AttentionTile {
  const LayerCache* cache;
  const SequenceLayout* sequence;
  const float* q;            // of the sequence's first row and the first of these heads
  float* out;                // likewise
  std::int64_t first = 0;    // index of the first query in the sequence: row * heads + head
  std::int64_t queries = 0;  // at most tile_queries
  std::int64_t heads;        // that share the keys
  std::int64_t all_heads;
  std::int64_t key_head;            // of an entry
  std::int64_t value;               // element of that head where a value begins
  std::int64_t width, value_width;  // of a key, which is that of a query; of a value, which is that of out
  float scale;
  // Of the one row that the tile then is of: the positions that there are for it; empty: all are.
  std::span<const std::int32_t> selected{};

  // Which of all heads and rows a query is, from q and out on.
  std::int64_t place(std::int64_t query) const {
    return (first + query) / heads * all_heads + (first + query) % heads;
  }
  // How many positions a query attends to, and which.
  std::int64_t visible(std::int64_t query) const {
    return selected.empty() ? sequence->first_position + (first + query) / heads + 1 : std::ssize(selected);
  }
  std::int64_t position(std::int64_t i) const {
    return selected.empty() ? i : std::int64_t{selected[std::size_t(i)]};
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
  std::vector<float> weighted;  // [queries, value_width]
};

// What a thread needs.
struct AttentionWorkspace {
  alignas(64) float weights[attention_split * tile_queries];  // [position, query]
  const float* keys[attention_split];
  const float* values[attention_split];
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

// out[query][c..] += sum over positions [begin, end) of weight times value, for C * 16 columns of n.
template <int Q, int C>
HWY_INLINE void gather_values(const float* weights, const float* const* values, std::int64_t begin,
                              std::int64_t end, std::int64_t column, std::int64_t length, std::int64_t n,
                              float* out) {
  Lanes sums[Q][C];
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sums[i][c] = load_part(out + i * n + column + c * lanes, length);
  for (std::int64_t p = begin; p < end; ++p) {
    Lanes value[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) value[c] = load_part(values[p] + column + c * lanes, length);
#pragma GCC unroll 8
    for (int i = 0; i < Q; ++i) {
      const Lanes w = broadcast(weights[p * tile_queries + i]);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) sums[i][c] = multiply_add(w, value[c], sums[i][c]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Q; ++i)
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) store_part(sums[i][c], out + i * n + column + c * lanes, length);
}

// The same for all columns.
template <int Q>
HWY_NOINLINE void gather_values(const float* weights, const float* const* values, std::int64_t begin,
                                std::int64_t end, std::int64_t n, float* out) {
  if (begin >= end) return;
  constexpr int columns = wide ? 4 : 1;  // registers of 16 lanes a query
  std::int64_t column = 0;
  for (; column + columns * lanes <= n; column += columns * lanes)
    gather_values<Q, columns>(weights, values, begin, end, column, lanes, n, out);
  for (; column < n; column += lanes)
    gather_values<Q, 1>(weights, values, begin, end, column, std::min<std::int64_t>(lanes, n - column), n,
                        out);
}

// Attention to the positions of one split alone. turned: the tile's queries, by turn_queries.
void attend_to_split(const AttentionTile& tile, const std::vector<float>& turned, std::int64_t split,
                     PartialAttention& result) {
  constexpr int block = 4;  // queries
  AttentionWorkspace& space = attention_workspace();
  // Later rows see more.
  const std::int64_t positions = tile.visible_in(tile.queries - 1, split);
  const EntryForm& form = tile.cache->form;
  thread_local EntryRoom room;  // where the cache is not F32
  room.begin(form, positions);
  for (std::int64_t i = 0; i < positions; ++i) {
    const float* const entry =
        cache_entry(*tile.cache, *tile.sequence, tile.position(split * attention_split + i));
    space.keys[i] = room.read(form, entry, tile.key_head);
    space.values[i] = space.keys[i] + tile.value;
  }
  score(turned.data(), tile.queries, tile.width, space.keys, positions, space.weights);
  for (std::int64_t q = 0; q < tile.queries; q += lanes)
    weigh(tile, split, q, positions, space.weights, result);
  result.weighted.assign(std::size_t(tile.queries * tile.value_width), 0.0f);
  for (std::int64_t q = 0; q < tile.queries; q += block) {
    // Queries of a block share the positions that the first one sees; the rest is done one by one, so that
    // every query adds the same terms as it would alone.
    const std::int64_t size = std::min<std::int64_t>(block, tile.queries - q);
    const std::int64_t shared = size == block ? tile.visible_in(q, split) : 0;
    float* const out = result.weighted.data() + q * tile.value_width;
    gather_values<block>(space.weights + q, space.values, 0, shared, tile.value_width, out);
    for (std::int64_t i = 0; i < size; ++i)
      gather_values<1>(space.weights + q + i, space.values, shared, tile.visible_in(q + i, split),
                       tile.value_width, out + i * tile.value_width);
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
    float* const to = joined.weighted.data() + q * tile.value_width;
    const float* const from = split.weighted.data() + q * tile.value_width;
    each_chunk(tile.value_width, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
      const Lanes old = multiply(load_part(to + i, length), broadcast(before));
      store_part(multiply_add(load_part(from + i, length), broadcast(after), old), to + i, length);
    });
  }
}

void finish(const AttentionTile& tile, const PartialAttention& joined) {
  for (std::int64_t q = 0; q < tile.queries; ++q) {
    const Lanes factor = broadcast(1 / joined.weight[q]);
    const float* const from = joined.weighted.data() + q * tile.value_width;
    float* const to = tile.out + tile.place(q) * tile.value_width;
    each_chunk(tile.value_width, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
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

void turn(const AttentionTile& tile, std::vector<float>& turned) {
  turn_queries(tile.queries, tile.width, turned,
               [&](std::int64_t i) { return tile.q + tile.place(i) * tile.width; });
}

void begin(const AttentionTile& tile, PartialAttention& joined) {
  std::fill_n(joined.highest, tile_queries, -std::numeric_limits<float>::infinity());
  std::fill_n(joined.weight, tile_queries, 0.0f);
  joined.weighted.assign(std::size_t(tile.queries * tile.value_width), 0.0f);
}

// The positions that there are for a row of the sequence, of selected: [T, k].
std::span<const std::int32_t> positions_of(const Tensor& selected, const SequenceLayout& s,
                                           std::int64_t row) {
  const std::int64_t sees = s.first_position + row + 1, most = selected.row_elements();
  const std::span positions(selected.as<std::int32_t>() + (s.first_row + row) * most,
                            std::size_t(std::min(sees, most)));
  for (const std::int32_t position : positions)
    CHECK(position >= 0 && position < sees, "a selected position that the row does not see");
  return positions;
}

// q: [T, H, width]; out: [T, H, value_width]. With selected positions a tile is of one row.
std::vector<AttentionTile> cut_into_tiles(const Tensor& q, const LayerCache& cache,
                                          const EntryColumns& columns, const Tensor* selected,
                                          const StepLayout& layout, float scale, const Tensor& out) {
  const std::int64_t all_heads = q.shape(1), width = q.shape(2), value_width = out.shape(2);
  const std::int64_t heads = columns.heads_of_key;
  std::vector<AttentionTile> tiles;
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= q.rows(), "a sequence beyond the step");
    const std::int64_t rows_together = selected ? 1 : s.rows;
    for (std::int64_t head = 0; head < all_heads; head += heads)
      for (std::int64_t row = 0; row < s.rows; row += rows_together) {
        AttentionTile tile{.cache = &cache,
                           .sequence = &s,
                           .q = q.as<float>() + (s.first_row * all_heads + head) * width,
                           .out = out.as<float>() + (s.first_row * all_heads + head) * value_width,
                           .heads = heads,
                           .all_heads = all_heads,
                           .key_head = columns.key_head(head),
                           .value = columns.value,
                           .width = width,
                           .value_width = value_width,
                           .scale = scale};
        if (selected) tile.selected = positions_of(*selected, s, row);
        const std::int64_t end = (row + rows_together) * heads;
        for (tile.first = row * heads; tile.first < end; tile.first += tile_queries) {
          tile.queries = std::min(tile_queries, end - tile.first);
          tiles.push_back(tile);
        }
      }
  }
  return tiles;
}

// Enough tiles to keep the threads busy: each runs through its splits alone.
void attend_by_tile(ThreadPool& pool, const std::vector<AttentionTile>& tiles) {
  pool.parallel_for(std::int64_t(tiles.size()), 1, [&](std::int64_t i, std::int64_t) {
    const AttentionTile& tile = tiles[std::size_t(i)];
    AttentionWorkspace& space = attention_workspace();
    begin(tile, space.joined);
    turn(tile, space.turned);
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
    turn(tiles[std::size_t(i)], turned[std::size_t(i)]);
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

void attend(ThreadPool& pool, const std::vector<AttentionTile>& tiles) {
  if (tiles.empty()) return;
  const bool many = std::int64_t(tiles.size()) >= 2 * pool.threads();
  many || pool.threads() == 1 ? attend_by_tile(pool, tiles) : attend_by_split(pool, tiles);
}

}  // namespace

void CpuOps::mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const StepLayout& layout,
                           float scale, Tensor out) {
  const EntryColumns columns = check_latent_attention(q, cache, out);
  attend(pool_, cut_into_tiles(q, cache, columns, nullptr, layout, scale, out));
}

void CpuOps::sparse_mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const Tensor& selected,
                                  const StepLayout& layout, float scale, Tensor out) {
  const EntryColumns columns = check_sparse_attention(q, cache, selected, out);
  attend(pool_, cut_into_tiles(q, cache, columns, &selected, layout, scale, out));
}

void CpuOps::gqa_attention(Queue&, const Tensor& q, const LayerCache& cache, std::int64_t key_heads,
                           const StepLayout& layout, float scale, Tensor out) {
  const EntryColumns columns = check_grouped_attention(q, cache, key_heads, out);
  attend(pool_, cut_into_tiles(q, cache, columns, nullptr, layout, scale, out));
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
