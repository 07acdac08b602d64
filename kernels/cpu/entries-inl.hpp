// Entries of a cache as F32. Compiled once for each instruction set.

#if defined(TROUPE_KERNELS_CPU_ENTRIES) == defined(HWY_TARGET_TOGGLE)
#ifdef TROUPE_KERNELS_CPU_ENTRIES
#undef TROUPE_KERNELS_CPU_ENTRIES
#else
#define TROUPE_KERNELS_CPU_ENTRIES
#endif

#include "kernels/cpu/lanes-inl.hpp"
#include "kernels/ops.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

HWY_INLINE void decode_bf16s(const std::byte* from, std::int64_t n, float* to) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> d32;
  const auto* const halves = reinterpret_cast<const std::uint16_t*>(from);
  std::int64_t i = 0;
  for (; i + width <= n; i += width)
    hn::StoreU(hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(d32, hn::LoadU(d16, halves + i)))), D(),
               to + i);
  for (; i < n; ++i) to[i] = decode_bf16(halves[i]);
}

// E4M3 as the upper half of a binary16: see decode_e4m3_256th.
HWY_INLINE void decode_e4m3s(const std::byte* from, std::int64_t n, float scale, float* to) {
  const hn::Rebind<std::uint8_t, D> d8;
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<hwy::float16_t, D> half;
  const auto* const codes = reinterpret_cast<const std::uint8_t*>(from);
  std::int64_t i = 0;
  for (; i + width <= n; i += width) {
    const auto bits = hn::PromoteTo(d16, hn::LoadU(d8, codes + i));
    const auto sign = hn::ShiftLeft<8>(hn::And(bits, hn::Set(d16, std::uint16_t(0x80))));
    const auto magnitude = hn::ShiftLeft<7>(hn::And(bits, hn::Set(d16, std::uint16_t(0x7f))));
    const auto value = hn::PromoteTo(D(), hn::BitCast(half, hn::Or(sign, magnitude)));
    hn::StoreU(hn::Mul(hn::Mul(value, hn::Set(D(), 256.0f)), hn::Set(D(), scale)), D(), to + i);
  }
  for (; i < n; ++i) to[i] = decode_e4m3(codes[i]) * scale;
}

HWY_INLINE void decode_part(const EntryPart& part, const std::byte* from, float* to) {
  if (part.type == DType::f32) {
    std::memcpy(to, from, std::size_t(part.elements) * sizeof(float));
  } else if (part.type == DType::bf16) {
    decode_bf16s(from, part.elements, to);
  } else {
    const auto* const scales = reinterpret_cast<const float*>(from + part.scales_at());
    for (std::int64_t i = 0; i < part.elements; i += scaled_elements)
      decode_e4m3s(from + i, std::min(scaled_elements, part.elements - i), scales[i / scaled_elements],
                   to + i);
  }
}

// Where heads of entries are decoded to, one after another.
class EntryRoom {
 public:
  // So many heads at the most, until the next call.
  void begin(const EntryForm& form, std::int64_t heads) {
    next_ = 0;
    const std::size_t floats = form.plain() ? 0 : std::size_t(heads * form.head_elements());
    if (room_.size() < floats) room_.resize(floats);
  }
  // The elements of a head of an entry: where they stand, if they are F32, else here.
  const float* read(const EntryForm& form, const float* entry, std::int64_t head) {
    const float* const at = entry + head * form.head_words();
    if (form.plain()) return at;
    const auto* const bytes = reinterpret_cast<const std::byte*>(at);
    float* const to = room_.data() + next_;
    next_ += form.head_elements();
    decode_part(form.first, bytes, to);
    decode_part(form.second, bytes + form.first.bytes(), to + form.first.elements);
    return to;
  }

 private:
  std::vector<float> room_;
  std::int64_t next_ = 0;
};

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
