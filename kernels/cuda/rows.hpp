// What the kernels of rows.cu are given: see kernel.hpp. Plain data, with pointers to the device's memory.
#pragma once

#include <cstdint>

#include "kernels/tensor.hpp"
#include "runtime/base/ids.hpp"

namespace troupe::kernels::cuda {

// A block is a token.
struct Embed {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "embed"; }

  const std::int32_t* tokens;
  Weight table;
  TokenId first_token;
  float* out;  // [tokens, table.cols]
};

// out[i] = x[rows[i]]; a block is a row.
struct GatherRows {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "gather_rows"; }

  const std::byte* x;
  std::int64_t x_rows, row_bytes;
  const std::int32_t* rows;
  std::byte* out;
};

// A thread is an element of out.
struct JoinColumns {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "join_columns"; }

  const float* parts;  // [ranks, rows, n]
  std::int64_t rows, n, columns;
  float* out;  // [rows, columns]
};

// A thread is a number.
struct Fill {
  static constexpr int threads = 256;
  constexpr const char* kernel() const { return "fill"; }

  float* x;
  std::int64_t elements;
  float value;
};

}  // namespace troupe::kernels::cuda
