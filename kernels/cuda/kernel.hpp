// The words that kernels are written in, beside CUDA's own. nvcc compiles a kernel for GPUs. Tests compile the same
// file for the host, where tests/kernels/cuda/emulated/kernel_words.hpp, which is included first, gives the words
// and those of CUDA that kernels use their meaning; what it has not, kernels do not use.
//
// A kernel has one parameter: a struct with what it is given (pointers are the device's), its name, and how many
// threads a block has. norm.hpp, norm.cu and norm.cpp are struct, kernel and launch of rms_norm, and so on.
#pragma once

#include <cstdint>

#ifdef __CUDACC__

// KERNEL(rms_norm, RmsNorm) { ... } has its arguments in k.
#define KERNEL(name, Arguments)                                                                \
  extern "C" __global__ void __launch_bounds__(::troupe::kernels::cuda::Arguments::threads, 1) \
      name(const __grid_constant__ ::troupe::kernels::cuda::Arguments k)
// An array that the threads of a block share; not initialised.
#define SHARED(type, name, count) __shared__ type name[count]
#define DEVICE __device__ __forceinline__
#define UNROLL _Pragma("unroll")
// What must hold of numbers that only the device has seen, as CHECK on the host: the device fails, and with it the
// queue that waits for it.
#define DEVICE_CHECK(condition) \
  do {                          \
    if (!(condition)) __trap(); \
  } while (false)

#endif
