// What a block multiplies: rows of a weight times some tokens. A thread has a row of the weight.
#pragma once

#include "kernels/block_formats.hpp"
#include "kernels/chain.hpp"
#include "kernels/cuda/kernel.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/number_formats.hpp"
#include "kernels/panels.hpp"

namespace troupe::kernels::cuda {

// The columns that lie together in a panel, or share what a block says of them, of one row. FP8 as 2^-8 of its value.
template <DType type>
struct Together {
  static constexpr int count = in_blocks(type) ? group_columns : int(columns_together(type));
  float values[count];

  // at: of the row's first column in the panel.
  DEVICE static Together load(const std::byte* at, std::int64_t group) {
    constexpr std::int64_t step = count * panel_rows * std::int64_t(size_of(type));
    const std::byte* const from = at + group * step;
    Together result;
    if constexpr (in_blocks(type)) {
      constexpr int groups = int(storage_unit(type).columns) / count;
      constexpr std::int64_t block_step = panel_rows * std::int64_t(storage_unit(type).bytes);
      const Block block{type, at + group / groups * block_step, panel_rows};
      const int in_block = int(group % groups);
      const float step_of_group = block.factor(step_at(type, in_block)),
                  minimum = block.factor(minimum_at(type, in_block));
      UNROLL for (int c = 0; c < count; ++c) result.values[c] =
          block.value(in_block * count + c, step_of_group, minimum);
    } else if constexpr (type == DType::f32) {
      result.values[0] = *reinterpret_cast<const float*>(from);
    } else if constexpr (type == DType::f16) {
      result.values[0] = decode_f16(*reinterpret_cast<const std::uint16_t*>(from));
    } else if constexpr (type == DType::bf16) {
      const std::uint32_t pair = *reinterpret_cast<const std::uint32_t*>(from);
      result.values[0] = decode_bf16(std::uint16_t(pair));
      result.values[1] = decode_bf16(std::uint16_t(pair >> 16));
    } else {
      const std::uint16_t pair = *reinterpret_cast<const std::uint16_t*>(from);
      result.values[0] = decode_e4m3_256th(std::uint8_t(pair));
      result.values[1] = decode_e4m3_256th(std::uint8_t(pair >> 8));
    }
    return result;
  }
};

// The sums of one thread's row, for all tokens of the block: levels of the binary tree over the shards, of which a
// shard that is done completes some. All indices are constants, so that they stay in registers.
class TreeSums {
 public:
  DEVICE void add(float (&shard)[product_tokens]) {
    bool open = true;
    UNROLL for (int level = 0; level < levels; ++level) {
      const bool joins = open && (shards_ >> level & 1) != 0, rests = open && !joins;
      UNROLL for (int t = 0; t < product_tokens; ++t) {
        if (joins) shard[t] = level_[level][t] + shard[t];
        if (rests) level_[level][t] = shard[t];
      }
      open = joins;
    }
    ++shards_;
    UNROLL for (int t = 0; t < product_tokens; ++t) all_[t] = shard[t];
  }
  // Of all shards, once there are as many as a tree has.
  DEVICE float operator[](int token) const { return all_[token]; }

 private:
  static constexpr int levels = 11;
  static_assert(most_shards == 1 << (levels - 1));

  float level_[levels][product_tokens], all_[product_tokens];
  unsigned shards_ = 0;
};

// The column of x that a stored column is multiplied by.
DEVICE std::int64_t input_of(const Weight& w, std::int64_t column) {
  return w.order == nullptr ? column : w.order[column];
}

// in(t) and out(t): where token t < tokens has its columns and gets its rows.
template <DType type, class In, class Out>
DEVICE void multiply_tile(const Weight& w, const VirtualShards& shards, int tokens, In in, Out out) {
  using Columns = Together<type>;
  constexpr int staged = int(chain_block) * product_tokens;
  SHARED(float, x, staged);  // [column, token] of a block of the chain
  const int thread = int(threadIdx.x);
  const std::int64_t row = std::int64_t(blockIdx.x) * product_threads + thread;
  const bool mine = row < w.rows;
  const std::int64_t before = in_blocks(type) ? w.col0 : 0;
  const std::byte* const weights =
      static_cast<const std::byte*>(w.data) + Panels{type, before + w.cols}.offset(mine ? row : 0, 0);
  const float* const scales =
      is_scaled(type) ? w.scales + (w.row0 + (mine ? row : 0)) / w.block_rows * w.scale_stride : nullptr;
  TreeSums sums;
  float shard[product_tokens] = {};
  for (ChainCut cut(w, shards); !cut.done();) {
    const ChainBlock block = cut.next();
    const int columns = int(block.end - block.begin);
    __syncthreads();
    for (int i = thread; i < columns * tokens; i += product_threads)
      x[i % columns * product_tokens + i / columns] = in(i / columns)[input_of(w, block.begin + i % columns)];
    __syncthreads();
    if (!mine) continue;
    float sum[product_tokens] = {};
    const std::int64_t begin = before + block.begin, end = before + block.end;
    for (std::int64_t group = begin / Columns::count; group * Columns::count < end; ++group) {
      const Columns values = Columns::load(weights, group);
      UNROLL for (int c = 0; c < Columns::count; ++c) {
        const std::int64_t column = group * Columns::count + c - begin;
        if (column < 0 || column >= columns) continue;
        UNROLL for (int t = 0; t < product_tokens; ++t) {
          sum[t] = fmaf(values.values[c], x[column * product_tokens + t], sum[t]);
        }
      }
    }
    const float scale = is_scaled(type) && w.cols > 0 ? scales[block.scale_column] : 0;
    UNROLL for (int t = 0; t < product_tokens; ++t) {
      shard[t] = is_scaled(type) ? fmaf(sum[t] * 256, scale, shard[t]) : sum[t] + shard[t];
    }
    if (!block.ends_shard) continue;
    sums.add(shard);
    UNROLL for (int t = 0; t < product_tokens; ++t) shard[t] = 0;
  }
  UNROLL for (int t = 0; t < product_tokens; ++t) {
    if (mine && t < tokens) out(t)[row] = sums[t];
  }
}

}  // namespace troupe::kernels::cuda
