#include "kernels/cpu/product.hpp"

#include <bit>
#include <memory>
#include <vector>

#include "kernels/chain.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/product.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/blocks-inl.hpp"
#include "kernels/cpu/weights-inl.hpp"

#ifndef TROUPE_KERNELS_CPU_PRODUCT
#define TROUPE_KERNELS_CPU_PRODUCT
namespace troupe::kernels {

// Of a weight, and rows of x. Small tiles keep the threads busy to the end; with many tokens a large tile uses
// what it reads of x more often.
constexpr std::int64_t least_tile_rows = 2 * panel_rows, tile_rows = 16 * panel_rows;
constexpr std::int64_t tile_tokens = 192;
constexpr std::int64_t decoded_panels = 2;  // at once
// Of a panel, with what is decoded of other columns because it lies in one piece with those of a block.
constexpr std::int64_t decoded_columns = chain_block + 32;

// The part of a product that one thread computes: rows of the weight times rows of x.
struct Tile {
  const Product* product;
  std::span<const ChainBlock> blocks;
  std::int64_t row, rows;      // at most tile_rows
  std::int64_t token, tokens;  // at most tile_tokens
  ThreadPool* pool;            // is told about each block of a long tile

  std::int64_t panels() const { return (rows + panel_rows - 1) / panel_rows; }
};

// Where the sums of a block go, in vectors of one length that stand one after another: one for each level of the
// binary tree over the shards. A shard that completes subtrees takes their sums along, neighbours first.
struct TreePlace {
  float* at;  // the sum of its shard so far, unless the block begins it
  bool begins_shard;
  int subtrees;         // that its shard completes, if it ends with this block; they stand before it
  std::int64_t length;  // of a vector
};

class TreeSum {
 public:
  // levels: memory for length * (n + 1) floats, of which the first length become the sum of 2^n shards.
  TreeSum(float* levels, std::int64_t length) : top_(levels), length_(length) {}

  TreePlace place(const ChainBlock& block) const {
    return {top_, begins_shard_, block.ends_shard ? std::countr_one(shards_) : 0, length_};
  }
  void placed(const ChainBlock& block) {
    begins_shard_ = block.ends_shard;
    if (block.ends_shard) top_ += (1 - std::countr_one(shards_++)) * length_;
  }

 private:
  float* top_;
  std::int64_t length_;
  unsigned shards_ = 0;
  bool begins_shard_ = true;
};

// What a thread needs to multiply a tile.
struct ProductWorkspace {
  alignas(
      64) float weights[decoded_panels * decoded_columns * panel_rows];  // [panel, column, row] of a block
  alignas(64) float x[tile_tokens * chain_block];                        // [token, column] of a block
  std::vector<float> tree;                                               // levels of [panel, token, row]

  // Memory for a TreeSum over the tile's shards.
  float* levels(const Tile& tile, std::int64_t length) {
    const int count = std::bit_width(unsigned(tile.product->shards.count));
    const auto needed = std::size_t(count * length);
    if (tree.size() < needed) tree.resize(needed);
    return tree.data();
  }
};

inline ProductWorkspace& product_workspace() {
  thread_local const auto space = std::make_unique<ProductWorkspace>();
  return *space;
}

}  // namespace troupe::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// So few tokens that the weights are decoded in registers, and so few that doing it twice is faster than
// keeping what was decoded.
constexpr int tokens_at_once = wide ? 12 : 6;
constexpr int few_tokens = wide ? 16 : 12;
// The block of panels and tokens whose sums fit into the registers, with room for the operands.
constexpr int block_panels = wide ? 2 : 1;
constexpr int block_tokens = wide ? 12 : 6;

// Ahead of what is read from a panel: the hardware starts anew with every panel.
constexpr std::int64_t prefetched_bytes = 2048;

template <int P, int T>
using Sums = Lanes[P][T];

template <int P, int T>
HWY_INLINE void clear(Sums<P, T>& sums) {
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) sums[p][t] = zero();
}

// Adds the sums of a block, times their scales, to those of their shard. Scaled weights were 2^-8 of their value.
// Those of panel p stand at place + p * panel_stride.
template <bool scaled, int P, int T>
HWY_INLINE void add_block(const Sums<P, T>& sums, const Lanes* scales, const TreePlace& place,
                          std::int64_t panel_stride) {
#pragma GCC unroll 16
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      float* at = place.at + p * panel_stride + t * lanes;
      Lanes total = place.begins_shard ? zero() : load(at);
      if constexpr (scaled)
        total = multiply_add(multiply(sums[p][t], broadcast(256)), scales[p], total);
      else
        total = add(sums[p][t], total);
      for (int i = 0; i < place.subtrees; ++i) {
        at -= place.length;
        total = add(load(at), total);
      }
      store(total, at);
    }
}

// The scales of a panel's rows, by blocks of columns.
class PanelScales {
 public:
  PanelScales() = default;
  PanelScales(const Weight& w, std::int64_t row) {
    if (!is_scaled(w.dtype) || w.cols == 0) return;
    const std::int64_t last = std::min(row + panel_rows, w.rows) - 1;
    for (std::int64_t i = 0; i < panel_rows; ++i)
      rows_[i] = w.scales + (w.row0 + std::min(row + i, last)) / w.block_rows * w.scale_stride;
    one_ = rows_[0] == rows_[panel_rows - 1];
  }

  Lanes at(std::int64_t column) const {
    if (rows_[0] == nullptr) return zero();
    if (one_) return broadcast(rows_[0][column]);
    float scales[panel_rows];
    for (std::int64_t i = 0; i < panel_rows; ++i) scales[i] = rows_[i][column];
    return load(scales);
  }

 private:
  const float* rows_[panel_rows] = {};
  bool one_ = false;
};

inline void write_rows(const Tile& tile, std::int64_t panel, const float* sums) {
  const std::int64_t first = panel * panel_rows, rows = std::min(panel_rows, tile.rows - first);
  for (std::int64_t t = 0; t < tile.tokens; ++t)
    store_part(load(sums + t * panel_rows), tile.product->out[tile.token + t] + tile.row + first, rows);
}

// P panels of the tile from the given one on, times its T tokens.
template <DType type, int P, int T>
HWY_NOINLINE void multiply_few(const Tile& tile, std::int64_t panel) {
  const Weight& w = *tile.product->w;
  const std::byte* const panels = element_at(w, tile.row + panel * panel_rows, 0);
  const auto panel_bytes = std::int64_t(panels_of(w).panel_size());
  PanelScales scales[P];
  for (int p = 0; p < P; ++p) scales[p] = PanelScales(w, tile.row + (panel + p) * panel_rows);
  const float* x[T];
  for (int t = 0; t < T; ++t) x[t] = tile.product->x[tile.token + t];
  float* const levels = product_workspace().levels(tile, P * T * lanes);
  TreeSum tree(levels, P * T * lanes);
  for (const ChainBlock& block : tile.blocks) {
    Sums<P, T> sums;
    clear<P, T>(sums);
    const auto add_group = [&](const std::byte* group, std::int64_t column, auto first,
                               auto last) LANES_INLINE {
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        __builtin_prefetch(group + p * panel_bytes + prefetched_bytes, 0, 3);
        Lanes weights[together<type>];
        decode<type>(group + p * panel_bytes, weights);
        const auto add_column = [&](int c) LANES_INLINE {
#pragma GCC unroll 16
          for (int t = 0; t < T; ++t)
            sums[p][t] = multiply_add(weights[c], broadcast(x[t][column + c]), sums[p][t]);
        };
        if constexpr (first() == 0) add_column(0);
        if constexpr (last() == 2) add_column(1);
      }
    };
    each_group<type>(panels, block.begin, block.end, add_group);
    Lanes scale[P];
    for (int p = 0; p < P; ++p) scale[p] = scales[p].at(block.scale_column);
    add_block<is_scaled(type), P, T>(sums, scale, tree.place(block), T * lanes);
    tree.placed(block);
  }
  for (int p = 0; p < P; ++p) write_rows(tile, panel + p, levels + p * T * lanes);
}

// A block's columns of the panel that begins with this row: out[column][row]. Returns how many other columns come before.
template <DType type>
HWY_INLINE std::int64_t decode_block(const Weight& w, std::int64_t row, const ChainBlock& block, float* out) {
  if constexpr (in_blocks(type)) {
    const std::int64_t begin = columns_before(w) + block.begin, end = columns_before(w) + block.end;
    const std::int64_t first = begin / columns_at_once * columns_at_once;
    constexpr StorageUnit unit = storage_unit(type);
    const std::byte* const panel = element_at(w, row, 0);
    for (std::int64_t c = first; c < end; c += columns_at_once, out += columns_at_once * lanes)
      decode_columns<type>(panel + c / unit.columns * std::int64_t(unit.bytes) * lanes, int(c % unit.columns),
                           out);
    return begin - first;
  } else {
    each_group<type>(element_at(w, row, 0), block.begin, block.end,
                     [&](const std::byte* group, std::int64_t column, auto first, auto last) LANES_INLINE {
                       __builtin_prefetch(group + prefetched_bytes, 0, 3);
                       Lanes weights[together<type>];
                       decode<type>(group, weights);
                       for (int c = first; c < last; ++c)
                         store(weights[c], out + (column + c - block.begin) * lanes);
                     });
    return 0;
  }
}

// What a block's columns are multiplied by.
inline void copy_inputs(const Weight& w, const float* x, const ChainBlock& block, float* out) {
  if (w.order == nullptr)
    std::copy_n(x + block.begin, block.end - block.begin, out);
  else
    for (std::int64_t c = block.begin; c < block.end; ++c) *out++ = x[w.order[c]];
}

// P decoded panels of a block times T tokens of it. Not inlined, so that the sums have all registers.
template <bool scaled, int P, int T>
HWY_NOINLINE void multiply_decoded(const float* weights, const float* x, std::int64_t columns,
                                   const Lanes* scales, const TreePlace& place, std::int64_t panel_stride) {
  Sums<P, T> sums;
  clear<P, T>(sums);
  for (std::int64_t k = 0; k < columns; ++k) {
    Lanes w[P];
#pragma GCC unroll 2
    for (int p = 0; p < P; ++p) w[p] = load(weights + (p * decoded_columns + k) * lanes);
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      const Lanes y = broadcast(x[t * chain_block + k]);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) sums[p][t] = multiply_add(w[p], y, sums[p][t]);
    }
  }
  add_block<scaled, P, T>(sums, scales, place, panel_stride);
}

// Each block of the weights is decoded once for all tokens of the tile.
template <DType type>
HWY_NOINLINE void multiply_many(const Tile& tile) {
  const Weight& w = *tile.product->w;
  const std::int64_t panels = tile.panels(), panel_sums = tile.tokens * lanes;
  ProductWorkspace& space = product_workspace();
  PanelScales scales[tile_rows / panel_rows];
  for (std::int64_t p = 0; p < panels; ++p) scales[p] = PanelScales(w, tile.row + p * panel_rows);
  float* const levels = space.levels(tile, panels * panel_sums);
  TreeSum tree(levels, panels * panel_sums);
  for (const ChainBlock& block : tile.blocks) {
    const std::int64_t columns = block.end - block.begin;
    for (std::int64_t t = 0; t < tile.tokens; ++t)
      copy_inputs(w, tile.product->x[tile.token + t], block, space.x + t * chain_block);
    each_block<decoded_panels>(panels, [&](std::int64_t panel, auto size) LANES_INLINE {
      Lanes scale[size()];
      std::int64_t before = 0;
      for (int p = 0; p < size(); ++p) {
        scale[p] = scales[panel + p].at(block.scale_column);
        before = decode_block<type>(w, tile.row + (panel + p) * panel_rows, block,
                                    space.weights + p * decoded_columns * lanes);
      }
      const float* const weights = space.weights + before * lanes;
      constexpr int panels_at_once = std::min(size(), block_panels);
      for (int p = 0; p < size(); p += panels_at_once)
        each_block<block_tokens>(tile.tokens, [&](std::int64_t token, auto tokens_at_once) LANES_INLINE {
          TreePlace place = tree.place(block);
          place.at += (panel + p) * panel_sums + token * lanes;
          multiply_decoded<is_scaled(type), panels_at_once, tokens_at_once()>(
              weights + p * decoded_columns * lanes, space.x + token * chain_block, columns, scale + p, place,
              panel_sums);
        });
    });
    tree.placed(block);
    tile.pool->piece_done();
  }
  for (std::int64_t p = 0; p < panels; ++p) write_rows(tile, p, levels + p * panel_sums);
}

template <DType type>
HWY_INLINE void multiply_few(const Tile& tile) {
  const std::int64_t passes = (tile.tokens + tokens_at_once - 1) / tokens_at_once;
  const std::int64_t most = (tile.tokens + passes - 1) / passes;
  for (std::int64_t token = 0; token < tile.tokens; token += most) {
    Tile part = tile;
    part.token += token;
    part.tokens = std::min(most, tile.tokens - token);
    with_constant<tokens_at_once>(part.tokens, [&](auto tokens) LANES_INLINE {
      constexpr int panels = wide || tokens() <= 2 ? 2 : 1;
      each_block<panels>(part.panels(), [&](std::int64_t panel, auto size) LANES_INLINE {
        multiply_few<type, size(), tokens()>(part, panel);
      });
    });
  }
}

std::int64_t most_few_tokens() {
  return few_tokens;
}

void multiply_tile(const Tile& tile) {
  with_type(tile.product->w->dtype, [&](auto type) LANES_INLINE {
    if constexpr (in_blocks(type())) {
      multiply_many<type()>(tile);
    } else {
      tile.tokens > few_tokens ? multiply_many<type()>(tile) : multiply_few<type()>(tile);
    }
  });
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(multiply_tile);
HWY_EXPORT(most_few_tokens);

// Multiply-adds that outweigh handing them to another thread.
constexpr std::int64_t worth_a_thread = 1 << 16;

// Large enough to use what they read often, small enough for every thread to get some.
std::int64_t rows_of_tiles(const ThreadPool& pool, std::span<const Product> products) {
  constexpr std::int64_t tiles_a_thread = 6;
  std::int64_t rows = tile_rows;
  for (; rows > least_tile_rows; rows /= 2) {
    std::int64_t tiles = 0;
    for (const Product& p : products)
      tiles += (p.w->rows + rows - 1) / rows * ((p.rows + tile_tokens - 1) / tile_tokens);
    if (tiles >= tiles_a_thread * pool.threads()) break;
  }
  return rows;
}

void cut_into_tiles(ThreadPool& pool, const Product& p, std::int64_t most_rows,
                    std::span<const ChainBlock> blocks, std::vector<Tile>& tiles) {
  const bool few = p.rows <= HWY_DYNAMIC_DISPATCH(most_few_tokens)();
  const std::int64_t rows = few ? least_tile_rows : most_rows;
  for (std::int64_t row = 0; row < p.w->rows; row += rows)
    for (std::int64_t token = 0; token < p.rows; token += tile_tokens)
      tiles.push_back({.product = &p,
                       .blocks = blocks,
                       .row = row,
                       .rows = std::min(rows, p.w->rows - row),
                       .token = token,
                       .tokens = std::min(tile_tokens, p.rows - token),
                       .pool = &pool});
}

}  // namespace

void multiply(ThreadPool& pool, std::span<const Product> products) {
  std::vector<ChainBlock> blocks;
  std::vector<std::size_t> ends;  // of each product's blocks
  for (const Product& p : products) {
    check_product(*p.w, p.shards);
    for (ChainCut cut(*p.w, p.shards); !cut.done();) blocks.push_back(cut.next());
    ends.push_back(blocks.size());
  }
  const std::int64_t rows = rows_of_tiles(pool, products);
  std::vector<Tile> tiles;
  std::int64_t work = 0;
  for (std::size_t i = 0; i < products.size(); ++i) {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    cut_into_tiles(pool, products[i], rows, std::span(blocks).subspan(begin, ends[i] - begin), tiles);
    work += products[i].w->rows * products[i].w->cols * products[i].rows;
  }
  const auto count = std::int64_t(tiles.size());
  const std::int64_t grain = 1 + worth_a_thread * count / (work + 1);
  pool.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) HWY_DYNAMIC_DISPATCH(multiply_tile)(tiles[std::size_t(i)]);
  });
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
