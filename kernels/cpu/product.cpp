#include "kernels/cpu/product.hpp"

#include <bit>
#include <memory>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/product.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/weights-inl.hpp"

#ifndef TROUPE_KERNELS_CPU_PRODUCT
#define TROUPE_KERNELS_CPU_PRODUCT
namespace troupe::kernels {

constexpr std::int64_t tile_rows = 32;       // of a weight
constexpr std::int64_t tile_tokens = 48;     // rows of x
constexpr std::int64_t panel_columns = 512;  // of a weight, dequantised at once
constexpr int tree_levels = 32;              // at most: the number of virtual shards is an int

// The part of a product that one thread computes: rows of the weight times rows of x.
struct Tile {
  const Product* product;
  std::int64_t row, rows;      // at most tile_rows
  std::int64_t token, tokens;  // at most tile_tokens
};

// Adds 2^n vectors of one length along the binary tree, neighbours first, keeping one vector a level.
class TreeSum {
 public:
  // levels: memory for length * (n + 1) floats.
  TreeSum(float* levels, std::int64_t length) : top_(levels), length_(length) {}

  float* next() { return top_; }  // the caller writes a vector here, then calls push()
  void push() {
    top_ += length_;
    for (unsigned carry = ++count_; carry % 2 == 0; carry /= 2) {
      top_ -= length_;
      for (std::int64_t i = 0; i < length_; ++i) top_[i - length_] += top_[i];
    }
  }

 private:
  float* top_;
  std::int64_t length_;
  unsigned count_ = 0;
};

// Columns of a product's weight.
struct Columns {
  std::int64_t begin, end;
};

inline Columns columns_of(const VirtualShards& shards, int i) {
  const std::int64_t origin = shards.begin(shards.first);
  return {shards.begin(shards.first + i) - origin, shards.begin(shards.first + i + 1) - origin};
}

// What a thread needs to multiply a tile of many tokens.
struct Workspace {
  alignas(64) float panel[tile_rows * panel_columns];
  alignas(64) float sums[tile_tokens * tile_rows * 16];  // [token, row], 16 lanes
  std::vector<float> tree;
};

inline Workspace& workspace() {
  thread_local const auto space = std::make_unique<Workspace>();
  return *space;
}

}  // namespace troupe::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

// So few tokens that the weights, read once, are dequantised in registers.
constexpr int few_tokens = wide ? 4 : 3;

// Rows [row, row + A) of the weight times B tokens.
template <DType type, int A, int B>
HWY_NOINLINE void multiply_few_rows(const Tile& tile, std::int64_t row) {
  const Product& p = *tile.product;
  const float* x[B];
  for (int j = 0; j < B; ++j) x[j] = p.x[tile.token + j];
  float levels[tree_levels * A * B];
  TreeSum tree(levels, A * B);
  for (int shard = 0; shard < p.shards.count; ++shard) {
    const Columns columns = columns_of(p.shards, shard);
    Sums<A, B> sums;
    clear<A, B>(sums);
    each_weight_chunk<type, A>(*p.w, row, columns.begin, columns.end,
                               [&](std::int64_t column, std::int64_t length, const Lanes(&values)[A])
                                   LANES_INLINE {
#pragma GCC unroll 8
                                     for (int j = 0; j < B; ++j) {
                                       const Lanes y = load_part(x[j] + column, length);
#pragma GCC unroll 8
                                       for (int i = 0; i < A; ++i)
                                         sums[i][j] = multiply_add(values[i], y, sums[i][j]);
                                     }
                                   });
    float* const part = tree.next();
#pragma GCC unroll 8
    for (int i = 0; i < A; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < B; ++j) part[i * B + j] = sum(sums[i][j]);
    tree.push();
  }
  for (int i = 0; i < A; ++i)
    for (int j = 0; j < B; ++j) p.out[tile.token + j][row + i] = levels[i * B + j];
}

template <DType type, int B>
HWY_INLINE void multiply_few(const Tile& tile) {
  constexpr int block = wide || B == 1 ? 4 : 2;
  std::int64_t row = tile.row;
  for (; row + block <= tile.row + tile.rows; row += block) multiply_few_rows<type, block, B>(tile, row);
  for (; row < tile.row + tile.rows; ++row) multiply_few_rows<type, 1, B>(tile, row);
}

// sums[token][row] += panel[row] . x[token], in lanes, over `columns` columns from `begin` on.
HWY_INLINE void multiply_panel(const Tile& tile, std::int64_t begin, std::int64_t columns, Workspace& space) {
  each_block<block_b>(tile.tokens, [&](std::int64_t token, auto size) LANES_INLINE {
    constexpr int tokens = size();
    const float* b[tokens];
    for (int j = 0; j < tokens; ++j) b[j] = tile.product->x[tile.token + token + j] + begin;
    // The last block of rows may reach into rows of the panel that nobody reads the sums of.
    for (std::int64_t row = 0; row < tile.rows; row += block_a) {
      const float* a[block_a];
      for (int i = 0; i < block_a; ++i) a[i] = space.panel + (row + i) * panel_columns;
      auto at = [&](int i, int j) { return space.sums + ((token + j) * tile_rows + row + i) * lanes; };
      Sums<block_a, tokens> sums;
#pragma GCC unroll 8
      for (int i = 0; i < block_a; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < tokens; ++j) sums[i][j] = load(at(i, j));
      dot<block_a, tokens>(a, b, columns, sums);
#pragma GCC unroll 8
      for (int i = 0; i < block_a; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < tokens; ++j) store(sums[i][j], at(i, j));
    }
  });
}

HWY_INLINE void multiply_many(const Tile& tile) {
  const Product& p = *tile.product;
  Workspace& space = workspace();
  const std::int64_t length = tile.tokens * tile_rows;
  space.tree.resize(std::size_t(length * std::bit_width(unsigned(p.shards.count))));
  TreeSum tree(space.tree.data(), length);
  for (int shard = 0; shard < p.shards.count; ++shard) {
    const Columns columns = columns_of(p.shards, shard);
    std::fill_n(space.sums, length * lanes, 0.0f);
    for (std::int64_t begin = columns.begin; begin < columns.end; begin += panel_columns) {
      const std::int64_t end = std::min(begin + panel_columns, columns.end);
      for (std::int64_t i = 0; i < tile.rows; ++i)
        dequantise_columns(*p.w, tile.row + i, begin, end, space.panel + i * panel_columns);
      multiply_panel(tile, begin, end - begin, space);
    }
    float* const part = tree.next();
    for (std::int64_t i = 0; i < length; ++i) part[i] = sum(load(space.sums + i * lanes));
    tree.push();
  }
  for (std::int64_t j = 0; j < tile.tokens; ++j)
    std::copy_n(space.tree.data() + j * tile_rows, tile.rows, p.out[tile.token + j] + tile.row);
}

void multiply_tile(const Tile& tile) {
  if (tile.tokens > few_tokens) return multiply_many(tile);
  with_type(tile.product->w->dtype, [&](auto type) LANES_INLINE {
    with_constant<few_tokens>(tile.tokens,
                              [&](auto tokens) LANES_INLINE { multiply_few<type(), tokens()>(tile); });
  });
}

void dequantise_whole_row(const Weight& w, std::int64_t row, float* out) {
  dequantise_columns(w, row, 0, w.cols, out);
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(multiply_tile);
HWY_EXPORT(dequantise_whole_row);

// Multiply-adds that outweigh handing them to another thread.
constexpr std::int64_t worth_a_thread = 1 << 16;

}  // namespace

void check_shards(const Weight& w, const VirtualShards& shards) {
  CHECK(shards.count > 0 && shards.first >= 0 && shards.first + shards.count <= shards.total,
        "shards out of range");
  CHECK(std::has_single_bit(unsigned(shards.count)), "shards that are no subtree");
  CHECK(shards.begin(shards.first + shards.count) - shards.begin(shards.first) == w.cols,
        "a weight whose columns are not those of its shards");
}

void multiply(ThreadPool& pool, std::span<const Product> products) {
  std::vector<Tile> tiles;
  std::int64_t work = 0;
  for (const Product& p : products) {
    check_weight(*p.w);
    check_shards(*p.w, p.shards);
    work += p.w->rows * p.w->cols * p.rows;
    for (std::int64_t row = 0; row < p.w->rows; row += tile_rows)
      for (std::int64_t token = 0; token < p.rows; token += tile_tokens)
        tiles.push_back({.product = &p,
                         .row = row,
                         .rows = std::min(tile_rows, p.w->rows - row),
                         .token = token,
                         .tokens = std::min(tile_tokens, p.rows - token)});
  }
  const auto count = std::int64_t(tiles.size());
  const std::int64_t grain = 1 + worth_a_thread * count / (work + 1);
  pool.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) HWY_DYNAMIC_DISPATCH(multiply_tile)(tiles[std::size_t(i)]);
  });
}

void dequantise_row(const Weight& w, std::int64_t row, float* out) {
  HWY_DYNAMIC_DISPATCH(dequantise_whole_row)(w, row, out);
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
