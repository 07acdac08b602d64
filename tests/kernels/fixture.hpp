// What the tests of the kernels share: reproducible random arrays, weights of every type with a plain
// reference, and every way of computing that must give the same bytes.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/block_formats.hpp"
#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/targets.hpp"
#include "kernels/panels.hpp"
#include "tests/kernels/cuda/gpu_under_test.hpp"
#include "tests/kernels/dequantised_blocks.hpp"
#include "tests/kernels/mirrored_ops.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

namespace troupe::kernels {

class Random {
 public:
  explicit Random(unsigned seed) : bits_(seed) {}
  float uniform() { return float(bits_() >> 8) * 0x1p-23f - 1; }  // [-1, 1)
  std::int64_t below(std::int64_t n) { return std::int64_t(bits_()) % n; }

 private:
  std::mt19937 bits_;
};

// A tensor that owns its memory.
template <class T>
struct Array {
  std::vector<T> data;
  Tensor tensor;

  explicit Array(std::initializer_list<std::int64_t> shape) {
    std::int64_t n = 1;
    for (std::int64_t extent : shape) n *= extent;
    data.resize(std::size_t(n) + 1);  // so that an empty one has an address too
    tensor = Tensor(data.data(), dtype_of<T>(), shape);
  }
  Array(Array&&) = default;
  Array& operator=(Array&&) = default;
  T& operator[](std::int64_t i) { return data[std::size_t(i)]; }
  const T& operator[](std::int64_t i) const { return data[std::size_t(i)]; }
  bool operator==(const Array& other) const {  // bytes, so that NaN and the sign of zero count
    return data.size() == other.data.size() &&
           std::memcmp(data.data(), other.data.data(), data.size() * sizeof(T)) == 0;
  }
};

inline Array<float> random_array(std::initializer_list<std::int64_t> shape, unsigned seed, float size = 1) {
  Array<float> result(shape);
  Random random(seed);
  for (std::int64_t i = 0; i < result.tensor.elements(); ++i) result[i] = random.uniform() * size;
  return result;
}

// A checkpoint's matrix of some type, or a part of one, with its bytes as they are stored and in panels.
class Matrix {
 public:
  Matrix(DType type, std::int64_t rows, std::int64_t cols, unsigned seed, std::int64_t block_rows = 128,
         std::int64_t block_cols = 128)
      : bytes_(std::size_t(rows) * row_bytes(type, cols)) {
    Random random(seed);
    const std::int64_t stride = (cols + block_cols - 1) / block_cols;
    for (std::int64_t i = 0; i < (rows + block_rows - 1) / block_rows * stride; ++i)
      scales_.push_back(0.01f + std::abs(random.uniform()));
    if (in_blocks(type)) {
      for (std::size_t at = 0; at < bytes_.size(); at += storage_unit(type).bytes)
        random_block(type, &bytes_[at], random);
    } else {
      for (std::int64_t i = 0; i < rows * cols; ++i) set(type, i, random);
    }
    view_ = {.data = bytes_.data(),
             .dtype = type,
             .rows = rows,
             .cols = cols,
             .scales = is_scaled(type) ? scales_.data() : nullptr,
             .scale_stride = stride,
             .block_rows = block_rows,
             .block_cols = block_cols};
    if (type == DType::nvfp4) view_.block_rows = view_.block_cols = whole_matrix;
    pack();
  }
  Matrix(Matrix&&) = default;

  const Weight& as_stored() const { return view_; }
  const Weight& view() const { return packed_view_; }
  std::vector<float>& scales() { return scales_; }

  // The part of rows [row, row + rows) and columns [col,
  // col + cols), with bytes of its own as on another rank.
  Matrix part(std::int64_t row, std::int64_t rows, std::int64_t col, std::int64_t cols) const {
    Matrix result;
    const StorageUnit unit = storage_unit(view_.dtype);
    const std::int64_t before = columns_before(view_) + col, first = before / unit.columns;
    const std::size_t bytes = row_bytes(view_.dtype, before % unit.columns + cols);
    for (std::int64_t r = row; r < row + rows; ++r) {
      const auto from =
          bytes_.begin() + std::ptrdiff_t(std::size_t(r) * bytes_of_row() + std::size_t(first) * unit.bytes);
      result.bytes_.insert(result.bytes_.end(), from, from + std::ptrdiff_t(bytes));
    }
    result.scales_ = scales_;
    result.view_ = view_;
    result.view_.data = result.bytes_.data();
    if (view_.scales != nullptr) result.view_.scales = result.scales_.data();
    result.view_.rows = rows;
    result.view_.cols = cols;
    result.view_.row0 += row;
    result.view_.col0 = in_blocks(view_.dtype) ? before % unit.columns : view_.col0 + col;
    result.pack();
    return result;
  }

  // By the definition of each format, without the scale.
  float code(std::int64_t row, std::int64_t col) const {
    if (in_blocks(view_.dtype))
      return values_[std::size_t(row * (columns_before(view_) + view_.cols) + columns_before(view_) + col)];
    const std::size_t i = std::size_t(row * view_.cols + col);
    if (view_.dtype == DType::f32) {
      float value;
      std::memcpy(&value, &bytes_[4 * i], 4);
      return value;
    }
    if (view_.dtype == DType::f8_e4m3) return float(decode(bytes_[i], 4, 3, 7));
    const unsigned bits = bytes_[2 * i] | bytes_[2 * i + 1] << 8;
    return float(view_.dtype == DType::f16 ? decode(bits, 5, 10, 15) : decode(bits, 8, 7, 127));
  }
  const float& scale(std::int64_t row, std::int64_t col) const {
    static const float one = 1;
    if (!is_scaled(view_.dtype)) return one;
    return scales_[std::size_t((view_.row0 + row) / view_.block_rows * view_.scale_stride +
                               (view_.col0 + col) / view_.block_cols)];
  }
  // The product is rounded once to F32.
  float at(std::int64_t row, std::int64_t col) const {
    return float(double(code(row, col)) * double(scale(row, col)));
  }

 private:
  Matrix() = default;

  std::size_t bytes_of_row() const { return row_bytes(view_.dtype, columns_before(view_) + view_.cols); }

  void pack() {
    const Panels panels = panels_of(view_);
    packed_.resize(panels.size(view_.rows) + 1);
    for (std::int64_t r = 0; r < view_.rows; ++r)
      pack_row(panels, r, reinterpret_cast<const std::byte*>(bytes_.data() + std::size_t(r) * bytes_of_row()),
               reinterpret_cast<std::byte*>(packed_.data()));
    if (in_blocks(view_.dtype)) decode_blocks();
    packed_view_ = view_;
    packed_view_.data = packed_.data();
    packed_view_.layout = Layout::panels;
  }

  void decode_blocks() {
    const StorageUnit unit = storage_unit(view_.dtype);
    const std::int64_t columns = columns_before(view_) + view_.cols;
    std::vector<float> block(std::size_t(unit.columns));
    for (std::int64_t r = 0; r < view_.rows; ++r)
      for (std::int64_t c = 0; c < columns; ++c) {
        if (c % unit.columns == 0)
          dequantise_block(
              view_.dtype,
              &bytes_[std::size_t(r) * bytes_of_row() + std::size_t(c / unit.columns) * unit.bytes],
              block.data());
        values_.push_back(block[std::size_t(c % unit.columns)]);
      }
  }

  // Any codes, and finite steps and minima: halves under 1/16.
  static void random_block(DType type, std::uint8_t* block, Random& random) {
    for (std::size_t i = 0; i < storage_unit(type).bytes; ++i) block[i] = std::uint8_t(random.below(256));
    const float step = 0.01f * random.uniform();
    if (step_at(type, 0).form == FactorForm::f32) std::memcpy(block, &step, 4);
    if (type == DType::i4_bf16) std::memcpy(block, reinterpret_cast<const std::byte*>(&step) + 2, 2);
    if (type == DType::mxfp4) block[0] = std::uint8_t(115 + random.below(6));
    if (type == DType::nvfp4)
      for (int i = 0; i < 2; ++i) block[i] = std::uint8_t(random.below(127));
    if (type == DType::i4_32 || type == DType::i4_128) block[4] &= 15;
    for (const std::size_t at : halves_of(type)) {
      const auto half = std::uint16_t(random.below(2) << 15 | random.below(11 << 10));
      std::memcpy(block + at, &half, 2);
    }
  }

  static double decode(unsigned bits, int exponent_bits, int fraction_bits, int bias) {
    const int fraction = int(bits & ((1u << fraction_bits) - 1));
    const int exponent = int(bits >> fraction_bits & ((1u << exponent_bits) - 1));
    const double sign = bits >> (exponent_bits + fraction_bits) ? -1 : 1;
    return exponent == 0
               ? sign * std::ldexp(fraction, 1 - bias - fraction_bits)
               : sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
  }

  void set(DType type, std::int64_t i, Random& random) {
    if (type == DType::f8_e4m3) {
      auto code = std::uint8_t(random.below(256));
      bytes_[std::size_t(i)] = (code & 0x7f) == 0x7f ? 0 : code;  // no NaN
      return;
    }
    const float value = random.uniform();
    std::uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if (type == DType::f32) std::memcpy(&bytes_[std::size_t(4 * i)], &value, 4);
    const auto half = type == DType::bf16 ? std::uint16_t(bits >> 16)
                                          : std::uint16_t(random.below(2) << 15 | random.below(15 << 10));
    if (size_of(type) == 2) std::memcpy(&bytes_[std::size_t(2 * i)], &half, 2);
  }

  std::vector<std::uint8_t> bytes_, packed_;
  std::vector<float> scales_, values_;  // values_: of types in blocks, of all columns of the first block on
  Weight view_, packed_view_;
};

// One chain, as the design defines it: columns [begin, end) of a row of the matrix times x.
inline float chain(const Matrix& w, std::int64_t row, std::int64_t begin, std::int64_t end, const float* x) {
  float total = 0, sum = 0;
  for (std::int64_t i = begin, in_block = 0; i < end; ++i) {
    sum = std::fma(w.code(row, i), x[i - begin], sum);
    const bool last = ++in_block == 128 || i + 1 == end || &w.scale(row, i) != &w.scale(row, i + 1);
    if (!last) continue;
    total = std::fma(sum, w.scale(row, i), total);
    sum = 0;
    in_block = 0;
  }
  return total;
}

inline std::vector<std::int64_t> targets_of_this_cpu() {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<std::int64_t> targets;
  for (std::int64_t target : {HWY_AVX2, HWY_AVX3})
    if (hwy::SupportedTargets() & HWY_TARGETS & target) targets.push_back(target);
  return targets;
}

// What with_every_ops goes through; the hunt for mutants has the GPU alone, and other orders of its threads.
struct OpsUnderTest {
  bool gpu_alone = false;
  std::uint32_t seed = 1;
};
inline OpsUnderTest ops_under_test;

// On a GPU of fibers, or a real one.
template <class Check>
void with_gpu(Check check) {
  SCOPED_TRACE("a GPU");
  const cuda::GpuUnderTest device({.seed = ops_under_test.seed});
  const auto ops = device.make_ops();
  MirroredOps mirrored(*ops);
  check(mirrored);
}

// Calls check(ops) for every instruction set of this CPU and for several numbers of threads, and for a GPU.
template <class Check>
void with_every_ops(Check check) {
  if (ops_under_test.gpu_alone) return with_gpu(check);
  for (const std::int64_t target : targets_of_this_cpu())
    for (const int threads : {1, 2, 4}) {
      SCOPED_TRACE(std::string(hwy::TargetName(target)) + ", threads: " + std::to_string(threads));
      hwy::SetSupportedTargetsForTest(target);
      CpuOps ops(threads);
      check(ops);
    }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  with_gpu(check);
}

}  // namespace troupe::kernels
