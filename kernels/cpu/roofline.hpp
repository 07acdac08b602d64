// How fast this machine reads memory and multiplies: what kernels are measured against, in the same minute. One
// thread at a time may call; each call uses as many threads as it is told.
#pragma once

#include <cstdint>

namespace troupe::kernels {

constexpr std::int64_t memory_read_bytes = std::int64_t{1} << 30;

// Bytes a second of a plain read of memory_read_bytes, the best of seven: the C library looks for a byte that is
// not there. Throws Error without so much memory.
double memory_read_speed(int threads);

// FLOP a second of fused multiply-adds in registers, with the instruction set that the kernels use now, the best
// of seven.
double fma_peak(int threads);

}  // namespace troupe::kernels
