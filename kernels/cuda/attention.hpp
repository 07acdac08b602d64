// What the kernels of attention.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/cuda/layer_cache.hpp"
#include "kernels/entry_form.hpp"

namespace troupe::kernels::cuda {

// Blocks: x: rows, y: heads. A block goes through its row's splits alone.
struct Attention {
  static constexpr int threads = 128;
  static constexpr int most_width = 1024;  // of a key, and of a value
  constexpr const char* kernel() const { return form.plain() ? "attention" : "attention_encoded"; }

  const float* q;  // [rows, heads, width]
  std::int64_t heads, width, value_width;
  const float* cache;
  CachePlace place;
  EntryForm form;
  EntryColumns columns;
  float scale;
  float* out;                              // [rows, heads, value_width]
  const std::int32_t* selected = nullptr;  // [rows, most]: positions that there are for a row; null: all are
  std::int64_t most = 0;
};

}  // namespace troupe::kernels::cuda
