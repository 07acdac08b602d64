#include "kernels/cuda/layer_cache.hpp"

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {
namespace {

constexpr int warp = 32;

// Up to 128 numbers with one scale. All threads of the warp call.
DEVICE void encode_e4m3s(const float* from, std::int64_t n, std::byte* codes, float* scale, int lane) {
  std::uint32_t largest = 0;
  for (std::int64_t i = lane; i < n; i += warp) {
    const std::uint32_t bits = magnitude_bits(from[i]);
    largest = largest < bits ? bits : largest;
  }
  UNROLL for (int apart = warp / 2; apart > 0; apart /= 2) {
    const std::uint32_t other = __shfl_xor_sync(~0u, largest, apart);
    largest = largest < other ? other : largest;
  }
  const float by = scale_of_e4m3(largest);
  if (lane == 0) *scale = by;
  for (std::int64_t i = lane; i < n; i += warp) codes[i] = std::byte(encode_e4m3(from[i] / by));
}

DEVICE void encode_part(const EntryPart& part, const float* from, std::byte* to, int lane) {
  switch (part.type) {
    case DType::f32:
      for (std::int64_t i = lane; i < part.elements; i += warp) reinterpret_cast<float*>(to)[i] = from[i];
      break;
    case DType::bf16:
      for (std::int64_t i = lane; i < part.elements; i += warp)
        reinterpret_cast<std::uint16_t*>(to)[i] = encode_bf16(from[i]);
      break;
    default:
      for (std::int64_t i = 0; i < part.elements; i += scaled_elements) {
        const std::int64_t left = part.elements - i;
        encode_e4m3s(from + i, left < scaled_elements ? left : scaled_elements, to + i,
                     reinterpret_cast<float*>(to + part.scales_at()) + i / scaled_elements, lane);
      }
  }
}

}  // namespace

// A warp encodes a part of a head.
KERNEL(store_entries, StoreEntries) {
  const std::int64_t row = blockIdx.x;
  if (k.place.step.first_block[row] < 0) return;
  const EntryForm& form = k.form;
  auto* const entry = reinterpret_cast<std::byte*>(k.cache + k.place.entry(row, k.place.step.position[row]));
  const int lane = int(threadIdx.x) % warp;
  for (std::int64_t i = int(threadIdx.x) / warp; i < 2 * form.heads; i += k.threads / warp) {
    const std::int64_t of_entry = i / 2, head = row * form.heads + of_entry;
    std::byte* const to = entry + of_entry * form.head_bytes();
    if (i % 2 == 0)
      encode_part(form.first, k.first + head * form.first.elements, to, lane);
    else
      encode_part(form.second, k.second + head * form.second.elements, to + form.first.bytes(), lane);
  }
}

}  // namespace troupe::kernels::cuda
