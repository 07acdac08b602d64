// The instruction sets that the kernels are compiled for; included before anything of Highway. All have fused
// multiply-add, so all give the same bytes. kernels/cpu/cpu_ops.cpp refuses a CPU that has none of them.
#pragma once

#if !defined(__x86_64__)
#error "the CPU kernels are written for x86-64"
#endif
// Names of hwy/detect_targets.h, which is included later; a macro may mention them before.
#define HWY_BASELINE_TARGETS HWY_AVX2  // what tables fall back to; never reached on another CPU
#ifdef TROUPE_AVX2_ALONE  // under sanitizers, where wide kernels take most of the time to compile, and are the same lines
#define HWY_DISABLED_TARGETS (~HWY_AVX2)
#else
#define HWY_DISABLED_TARGETS (~(HWY_AVX2 | HWY_AVX3))
#endif

// Lambdas of the inner loops: compiled for the instruction set at hand, and always inlined so that what they
// capture stays in registers.
#define LANES_INLINE HWY_ATTR __attribute__((always_inline))
