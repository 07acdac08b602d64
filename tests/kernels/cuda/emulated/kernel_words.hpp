// What the words of kernels mean on the host. Included before everything else where a kernel's file is compiled for
// the emulated GPU; kernels/cuda/kernel.hpp has their meaning for nvcc. A kernel makes itself known by its name.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/kernels/cuda/emulated/block.hpp"
#include "tests/kernels/cuda/emulated/kernels.hpp"

#define DEVICE inline
#define UNROLL
#define KERNEL(name, Arguments)                                                                       \
  static void name(const ::troupe::kernels::cuda::Arguments& k);                                      \
  static const ::troupe::kernels::cuda::emulated::KnownKernel name##_is_known(                        \
      #name, ::troupe::kernels::cuda::Arguments::threads, sizeof(::troupe::kernels::cuda::Arguments), \
      [](const void* k) { name(*static_cast<const ::troupe::kernels::cuda::Arguments*>(k)); });       \
  static void name(const ::troupe::kernels::cuda::Arguments& k)
#define DEVICE_CHECK(condition)                                                                         \
  do {                                                                                                  \
    if (!(condition))                                                                                   \
      ::troupe::kernels::cuda::emulated::Block::current()->fail(::troupe::kernels::cuda::launch_failed, \
                                                                "broken: " #condition, __LINE__);       \
  } while (false)
#define SHARED(type, name, count) const ::troupe::kernels::cuda::emulated::SharedArray<type, (count)> name

#define threadIdx (::troupe::kernels::cuda::emulated::Block::current()->thread())
#define blockIdx (::troupe::kernels::cuda::emulated::Block::current()->at())
#define blockDim (::troupe::kernels::cuda::emulated::Block::current()->launch().block)
#define gridDim (::troupe::kernels::cuda::emulated::Block::current()->launch().grid)

namespace troupe::kernels::cuda::emulated {

// An index out of bounds ends the block.
template <class T, std::size_t n>
class SharedArray {
 public:
  SharedArray() : at_(reinterpret_cast<T*>(Block::current()->shared(n * sizeof(T), alignof(T)))) {}
  T& operator[](std::int64_t i) const {
    if (i < 0 || i >= std::int64_t(n))
      Block::current()->fail(illegal_address, "beyond a shared array: element", std::uint64_t(i));
    return at_[i];
  }

 private:
  T* at_;
};

}  // namespace troupe::kernels::cuda::emulated

inline void __syncthreads() {
  ::troupe::kernels::cuda::emulated::Block::current()->sync();
}
inline void __syncwarp() {
  ::troupe::kernels::cuda::emulated::Block::current()->exchange(0, 0);
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int lanes) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  auto* const block = ::troupe::kernels::cuda::emulated::Block::current();
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = block->exchange(
      bits, (block->thread().x % ::troupe::kernels::cuda::emulated::warp_threads) ^ unsigned(lanes));
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
T atomicAdd(T* at, T value) {
  return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
