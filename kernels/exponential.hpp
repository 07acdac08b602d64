// exp in F32, the same on every device: exp(n ln 2 + r) = 2^n exp(r), |r| <= ln(2)/2, with the polynomial of Cephes'
// expf. The CPU computes it in vectors (kernels/cpu/exp-inl.hpp), a GPU's thread alone (kernels/cuda/exp.hpp), with
// these numbers and in the same steps.
#pragma once

namespace troupe::kernels::exponential {

constexpr float log2_of_e = 1.44269504f;
constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
// (((((p0 r + p1) r + p2) r + p3) r + p4) r + p5) r^2 + r + 1
constexpr float p0 = 1.9875691500e-4f, p1 = 1.3981999507e-3f, p2 = 8.3334519073e-3f, p3 = 4.1665795894e-2f,
                p4 = 1.6666665459e-1f, p5 = 5.0000001201e-1f;
// Below, the result would be under the least normal number and is 0; above, it is no number and is infinity.
constexpr float lowest = -87.33654f, highest = 88.72283f;

}  // namespace troupe::kernels::exponential
