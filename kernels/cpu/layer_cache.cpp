#include "kernels/cpu/layer_cache.hpp"

#include <algorithm>

#include "kernels/attention_check.hpp"
#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {
namespace {

void encode_e4m3s(const float* from, std::int64_t n, std::byte* codes, float& scale) {
  std::uint32_t largest = 0;
  for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, magnitude_bits(from[i]));
  scale = scale_of_e4m3(largest);
  for (std::int64_t i = 0; i < n; ++i) codes[i] = std::byte(encode_e4m3(from[i] / scale));
}

// Returns where the next part begins.
std::byte* encode_part(const EntryPart& part, const float* from, std::byte* to) {
  if (part.type == DType::f32) {
    std::copy_n(from, part.elements, reinterpret_cast<float*>(to));
  } else if (part.type == DType::bf16) {
    std::transform(from, from + part.elements, reinterpret_cast<std::uint16_t*>(to), encode_bf16);
  } else {
    auto* const scales = reinterpret_cast<float*>(to + part.scales_at());
    for (std::int64_t i = 0; i < part.elements; i += scaled_elements)
      encode_e4m3s(from + i, std::min(scaled_elements, part.elements - i), to + i,
                   scales[i / scaled_elements]);
  }
  return to + part.bytes();
}

}  // namespace

void CpuOps::store_entries(Queue&, const Tensor& first, const Tensor& second, const StepLayout& layout,
                           const LayerCache& cache) {
  check_store_entries(first, second, layout, cache);
  const auto& [heads, key, value] = cache.form;
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= layout.tokens, "a sequence beyond the step");
    for (std::int64_t i = 0; i < s.rows; ++i) {
      auto* entry = reinterpret_cast<std::byte*>(cache_entry(cache, s, s.first_position + i));
      for (std::int64_t head = (s.first_row + i) * heads; head < (s.first_row + i + 1) * heads; ++head) {
        entry = encode_part(key, first.as<float>() + head * key.elements, entry);
        entry = encode_part(value, second.as<float>() + head * value.elements, entry);
      }
    }
  }
}

}  // namespace troupe::kernels
