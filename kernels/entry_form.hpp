// How an entry of a layer's cache lies in memory, and where in it the heads of a query find what they attend to: the same
// on every device. An entry is encoded once, when it is stored, and is a function of its token's row alone; whoever reads
// it decodes it, and what is computed from it is as if the decoded numbers lay there. Plain data; any thread. constexpr
// functions are compiled for GPUs, too.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/number_formats.hpp"
#include "kernels/tensor.hpp"

namespace troupe::kernels {

// What a cache stores numbers as.
enum class CacheType : std::uint8_t { f32, bf16, fp8 };

constexpr std::string_view name_of(CacheType type) {
  constexpr std::string_view names[]{"f32", "bf16", "fp8"};
  return names[int(type)];
}
constexpr std::optional<CacheType> cache_type_of(std::string_view name) {
  for (const CacheType type : {CacheType::f32, CacheType::bf16, CacheType::fp8})
    if (name == name_of(type)) return type;
  return std::nullopt;
}

constexpr std::int64_t scaled_elements = 128;  // of FP8 that share a scale, at most
constexpr std::int64_t cache_word = 4;         // bytes: parts of entries are whole words

// Numbers that lie together: F32, BF16, or E4M3 with the scales behind, an F32 for each 128 of them.
struct EntryPart {
  DType type = DType::f32;
  std::int64_t elements = 0;

  // From where the part begins.
  constexpr std::int64_t scales_at() const { return padded(elements); }
  constexpr std::int64_t scales() const {
    return type == DType::f8_e4m3 ? (elements + scaled_elements - 1) / scaled_elements : 0;
  }
  constexpr std::int64_t bytes() const {
    return padded(elements * std::int64_t(size_of(type))) + scales() * std::int64_t(sizeof(float));
  }

 private:
  static constexpr std::int64_t padded(std::int64_t bytes) {
    return (bytes + cache_word - 1) / cache_word * cache_word;
  }
};

// Of each of so many heads a first part, then a second one.
struct EntryForm {
  std::int64_t heads = 1;
  EntryPart first, second;

  constexpr std::int64_t head_elements() const { return first.elements + second.elements; }
  constexpr std::int64_t head_bytes() const { return first.bytes() + second.bytes(); }
  constexpr std::int64_t head_words() const { return head_bytes() / cache_word; }
  constexpr std::int64_t words() const { return heads * head_words(); }
  constexpr std::int64_t bytes() const { return heads * head_bytes(); }
  // Nothing is to be decoded.
  constexpr bool plain() const { return first.type == DType::f32 && second.type == DType::f32; }
};

constexpr DType stored_as(CacheType type) {
  return type == CacheType::f32 ? DType::f32 : type == CacheType::bf16 ? DType::bf16 : DType::f8_e4m3;
}
// The normed latent, then the turned key part, which with FP8 is BF16: positions turn it, and 8 bits are too few for them
// (DeepSeek-V3.2-Exp's own form of an entry, 656 bytes).
constexpr EntryForm latent_entry(CacheType type, std::int64_t latent, std::int64_t rope) {
  return {1, {stored_as(type), latent}, {type == CacheType::f32 ? DType::f32 : DType::bf16, rope}};
}
// Of each head its turned key, then its value.
constexpr EntryForm key_value_entry(CacheType type, std::int64_t heads, std::int64_t key,
                                    std::int64_t value) {
  return {heads, {stored_as(type), key}, {stored_as(type), value}};
}
// A key alone.
constexpr EntryForm key_entry(CacheType type, std::int64_t key) {
  return {1, {stored_as(type), key}, {stored_as(type), 0}};
}

// Of up to 128 numbers by the largest magnitude, whose bits are given: amax / 448, so that it becomes E4M3's largest. Of
// zeroes 1; not less than the least normal F32, under which a quotient by it would be too large. Where a number is infinite or none,
// the scale is no number, and neither is what is read.
constexpr float scale_of_e4m3(std::uint32_t largest_bits) {
  constexpr std::uint32_t infinite = 0x7f800000;
  if (largest_bits >= infinite) return std::bit_cast<float>(0x7fc00000u);
  if (largest_bits == 0) return 1;
  const float scale = std::bit_cast<float>(largest_bits) / 448;
  return scale < 0x1p-126f ? 0x1p-126f : scale;
}
constexpr std::uint32_t magnitude_bits(float x) {
  return std::bit_cast<std::uint32_t>(x) & 0x7fffffff;
}

// So many heads, one after another, share a key; the value that goes with it begins `value` elements behind.
struct EntryColumns {
  std::int64_t heads_of_key = 1, value = 0;

  constexpr std::int64_t key_head(std::int64_t head) const { return head / heads_of_key; }
};

// The entry is one key, and its first elements are the value.
constexpr EntryColumns latent_columns(std::int64_t heads) {
  return {.heads_of_key = heads};
}
// Of each of so many heads a key, then its value.
constexpr EntryColumns key_value_columns(std::int64_t heads, const EntryForm& form) {
  return {.heads_of_key = heads / form.heads, .value = form.first.elements};
}

}  // namespace troupe::kernels
