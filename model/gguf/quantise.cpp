#include "model/gguf/quantise.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/block_formats.hpp"
#include "kernels/weights.hpp"
#include "runtime/base/error.hpp"

namespace troupe::model {

using kernels::Block;
using kernels::Code;
using kernels::DType;
using kernels::Factor;

namespace {

struct Range {
  int lowest, highest;
};
Range range_of(const Code& code) {
  if (code.mask == 0xff) return {-127, 127};
  return {-code.less, (code.mask | code.high_mask << code.high_place) - code.less};
}

void put_number(std::byte* block, const Code& code, int number) {
  const auto bits = unsigned(std::uint8_t(number + code.less));
  block[code.byte] |= std::byte((bits & unsigned(code.mask)) << code.shift);
  if (code.high_mask != 0)
    block[code.high_byte] |=
        std::byte((bits >> code.high_place & unsigned(code.high_mask)) << code.high_shift);
}

void put_half(std::byte* block, int at, float value) {
  const std::uint16_t bits = kernels::encode_f16(value);
  std::memcpy(block + at, &bits, sizeof bits);
}

// weight = step * code + minimum
struct Fit {
  float step = 0, minimum = 0;
};

class BlockWriter {
 public:
  BlockWriter(DType type, const float* weights, std::byte* block)
      : type_(type),
        weights_(weights),
        block_(block),
        columns_(int(kernels::storage_unit(type).columns)),
        codes_(type == DType::iq4_nl ? Range{-127, 113} : range_of(kernels::code_at(type, 0))) {
    // Of 256 columns, with numbers for as many as share them.
    const bool shared_by_32 = columns_ == 32 || type == DType::q4_k || type == DType::q5_k;
    fit_columns_ = shared_by_32 ? 32 : kernels::group_columns;
  }

  void write() {
    std::memset(block_, 0, kernels::storage_unit(type_).bytes);
    for (int c = 0; c < columns_; c += fit_columns_) fits_.push_back(fit(weights_ + c));
    put_factors(kernels::step_at, &Fit::step);
    if (has_minimum()) put_factors(kernels::minimum_at, &Fit::minimum);
    for (int c = 0; c < columns_; ++c) {
      const Block stored{type_, block_};
      const int group = c / kernels::group_columns;
      const Fit got{stored.factor(kernels::step_at(type_, group)),
                    stored.factor(kernels::minimum_at(type_, group))};
      put_number(block_, kernels::code_at(type_, c), nearest(got, weights_[c]));
    }
  }

 private:
  bool has_minimum() const { return kernels::minimum_at(type_, 0).begin >= 0; }

  // What is stored for a weight; of IQ4_NL the index of its code.
  int nearest(const Fit& fit, float weight) const {
    const float code = fit.step == 0 ? 0 : (weight - fit.minimum) / fit.step;
    if (type_ != DType::iq4_nl)
      return std::clamp(int(std::lround(std::clamp(code, -1e6f, 1e6f))), codes_.lowest, codes_.highest);
    int best = 0;
    for (int i = 1; i < 16; ++i)
      if (std::abs(float(kernels::table_code(DType::iq4_nl, i)) - code) <
          std::abs(float(kernels::table_code(DType::iq4_nl, best)) - code))
        best = i;
    return best;
  }

  double error(const Fit& fit, const float* weights) const {
    double sum = 0;
    for (int i = 0; i < fit_columns_; ++i) {
      int code = nearest(fit, weights[i]);
      if (type_ == DType::iq4_nl) code = kernels::table_code(DType::iq4_nl, code);
      const double off = double(fit.step) * code + fit.minimum - weights[i];
      sum += off * off;
    }
    return sum;
  }

  // A smaller step than the one that reaches the extremes often serves the other weights better.
  Fit fit(const float* weights) const {
    const auto [low, high] = std::minmax_element(weights, weights + fit_columns_);
    Fit widest;
    if (has_minimum()) {
      // What is subtracted is no less than zero.
      const bool subtracted = kernels::minimum_at(type_, 0).subtracted;
      widest.minimum = subtracted ? std::min(*low, 0.0f) : *low;
      widest.step = (*high - widest.minimum) / float(codes_.highest);
    } else {
      const float extreme = -*low > *high ? *low : *high;
      widest.step = extreme / float(codes_.lowest);
    }
    Fit best = widest;
    double least = error(best, weights);
    for (int i = -4; i < 16; ++i) {
      Fit tried = widest;
      tried.step *= 1 - float(i) / 40;
      if (const double off = error(tried, weights); off < least) {
        least = off;
        best = tried;
      }
    }
    return best;
  }

  void put_factors(Factor (*factor_at)(DType, int), float Fit::*part) {
    const Factor first = factor_at(type_, 0);
    const float sign = first.subtracted ? -1 : 1;
    if (!first.multiplied) return put_half(block_, first.begin, sign * fits_[0].*part);
    float largest = 0;
    for (const Fit& fit : fits_) largest = std::max(largest, std::abs(fit.*part));
    const Range numbers = range_of(first.multiplier);
    put_half(block_, first.begin, largest / float(numbers.highest));
    const float one = Block{type_, block_}.factor({.begin = first.begin});
    for (std::size_t i = 0; i < fits_.size(); ++i) {
      const float wanted = one == 0 ? 0 : std::round(sign * fits_[i].*part / one);
      const int number = int(std::clamp(wanted, float(numbers.lowest), float(numbers.highest)));
      const int group = int(i) * fit_columns_ / kernels::group_columns;
      put_number(block_, factor_at(type_, group).multiplier, number);
    }
  }

  DType type_;
  const float* weights_;
  std::byte* block_;
  int columns_, fit_columns_ = 0;
  Range codes_;
  std::vector<Fit> fits_;
};

template <class T, class Encode>
void encode_each(std::span<const float> weights, std::span<std::byte> out, Encode encode) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const T bits = encode(weights[i]);
    std::memcpy(out.data() + i * sizeof bits, &bits, sizeof bits);
  }
}

}  // namespace

void quantise(DType type, std::span<const float> weights, std::span<std::byte> out) {
  const kernels::StorageUnit unit = kernels::storage_unit(type);
  CHECK(std::int64_t(weights.size()) % unit.columns == 0, "weights that are no whole blocks");
  CHECK(out.size() == kernels::row_bytes(type, std::int64_t(weights.size())), "bytes of other weights");
  if (type == DType::f32) return encode_each<float>(weights, out, [](float x) { return x; });
  if (type == DType::f16) return encode_each<std::uint16_t>(weights, out, kernels::encode_f16);
  if (type == DType::bf16) return encode_each<std::uint16_t>(weights, out, kernels::encode_bf16);
  CHECK(kernels::in_blocks(type), "a type that weights are not turned into");
  for (std::size_t block = 0; block * std::size_t(unit.columns) < weights.size(); ++block)
    BlockWriter(type, &weights[block * std::size_t(unit.columns)], &out[block * unit.bytes]).write();
}

void dequantise(DType type, std::span<const std::byte> bytes, std::span<float> out) {
  const auto columns = std::int64_t(out.size());
  CHECK(bytes.size() == kernels::row_bytes(type, columns), "bytes of other weights");
  const kernels::Weight row{.data = bytes.data(), .dtype = type, .rows = 1, .cols = columns};
  for (std::int64_t c = 0; c < columns; ++c) out[std::size_t(c)] = kernels::dequantise(row, 0, c);
}

}  // namespace troupe::model
