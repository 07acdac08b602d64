// Elements of a head of a cache's entry by one thread: the first part's, then the second's.
#pragma once

#include "kernels/cuda/kernel.hpp"
#include "kernels/entry_form.hpp"

namespace troupe::kernels::cuda {

// Of a cache in which there is nothing to decode.
class PlainHead {
 public:
  // words: where the head begins.
  DEVICE PlainHead(const EntryForm&, const float* words) : words_(words) {}
  DEVICE float operator[](std::int64_t i) const { return words_[i]; }

 private:
  const float* words_;
};

class EncodedHead {
 public:
  DEVICE EncodedHead(const EntryForm& form, const float* words)
      : form_(form), first_(reinterpret_cast<const std::byte*>(words)) {}
  DEVICE float operator[](std::int64_t i) const {
    const bool in_first = i < form_.first.elements;
    return in_first ? element(form_.first, first_, i)
                    : element(form_.second, first_ + form_.first.bytes(), i - form_.first.elements);
  }

 private:
  DEVICE static float element(const EntryPart& part, const std::byte* at, std::int64_t i) {
    switch (part.type) {
      case DType::f32:
        return reinterpret_cast<const float*>(at)[i];
      case DType::bf16:
        return decode_bf16(reinterpret_cast<const std::uint16_t*>(at)[i]);
      default:
        return decode_e4m3(std::uint8_t(at[i])) *
               reinterpret_cast<const float*>(at + part.scales_at())[i / scaled_elements];
    }
  }

  const EntryForm& form_;
  const std::byte* first_;
};

}  // namespace troupe::kernels::cuda
