#include "kernels/cuda/product_tile.hpp"

namespace troupe::kernels::cuda {
namespace {

template <DType type>
DEVICE void multiply(const Multiply& k) {
  const std::int64_t matrix = blockIdx.z, first = std::int64_t(blockIdx.y) * product_tokens;
  Weight w = k.w;
  w.data = static_cast<const std::byte*>(w.data) + matrix * k.weight_step;
  if (w.scales != nullptr) w.scales += matrix * k.scale_step;
  w.row0 += matrix * k.weight_row_step;
  const std::int64_t left = k.tokens - first;
  const float* const x = k.x + matrix * k.x_step + first * k.x_token_step;
  float* const out = k.out + matrix * k.out_step + first * k.out_token_step;
  multiply_tile<type>(
      w, k.shards, int(left < product_tokens ? left : product_tokens),
      [&](int token) { return x + token * k.x_token_step; },
      [&](int token) { return out + token * k.out_token_step; });
}

}  // namespace

KERNEL(multiply_f32, Multiply) {
  multiply<DType::f32>(k);
}
KERNEL(multiply_f16, Multiply) {
  multiply<DType::f16>(k);
}
KERNEL(multiply_bf16, Multiply) {
  multiply<DType::bf16>(k);
}
KERNEL(multiply_f8, Multiply) {
  multiply<DType::f8_e4m3>(k);
}
KERNEL(multiply_q8_0, Multiply) {
  multiply<DType::q8_0>(k);
}
KERNEL(multiply_q4_0, Multiply) {
  multiply<DType::q4_0>(k);
}
KERNEL(multiply_q4_1, Multiply) {
  multiply<DType::q4_1>(k);
}
KERNEL(multiply_q5_0, Multiply) {
  multiply<DType::q5_0>(k);
}
KERNEL(multiply_q5_1, Multiply) {
  multiply<DType::q5_1>(k);
}
KERNEL(multiply_q2_k, Multiply) {
  multiply<DType::q2_k>(k);
}
KERNEL(multiply_q3_k, Multiply) {
  multiply<DType::q3_k>(k);
}
KERNEL(multiply_q4_k, Multiply) {
  multiply<DType::q4_k>(k);
}
KERNEL(multiply_q5_k, Multiply) {
  multiply<DType::q5_k>(k);
}
KERNEL(multiply_q6_k, Multiply) {
  multiply<DType::q6_k>(k);
}
KERNEL(multiply_iq4_nl, Multiply) {
  multiply<DType::iq4_nl>(k);
}
KERNEL(multiply_i4_32, Multiply) {
  multiply<DType::i4_32>(k);
}
KERNEL(multiply_i4_128, Multiply) {
  multiply<DType::i4_128>(k);
}
KERNEL(multiply_i8_32, Multiply) {
  multiply<DType::i8_32>(k);
}
KERNEL(multiply_i8_128, Multiply) {
  multiply<DType::i8_128>(k);
}
KERNEL(multiply_i4_bf16, Multiply) {
  multiply<DType::i4_bf16>(k);
}
KERNEL(multiply_mxfp4, Multiply) {
  multiply<DType::mxfp4>(k);
}
KERNEL(multiply_nvfp4, Multiply) {
  multiply<DType::nvfp4>(k);
}
KERNEL(multiply_nf4, Multiply) {
  multiply<DType::nf4>(k);
}

}  // namespace troupe::kernels::cuda
