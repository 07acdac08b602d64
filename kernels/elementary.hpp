// exp, log, sin, cos and pow in F64 from additions, multiplications, divisions and square roots alone, so
// that every machine gets the same bits; libm's differ between versions and CPUs. Thread-safe.
//
// Relative error under 1e-14 within the stated ranges.
#pragma once

namespace troupe::kernels::elementary {

double exp(double x);                      // 0 below -745, infinity above 709.78
double log(double x);                      // x > 0 and finite, subnormals too
double sin(double x);                      // |x| <= 1e6
double cos(double x);                      // |x| <= 1e6
double pow(double base, double exponent);  // base > 0, |exponent * log(base)| <= 40

}  // namespace troupe::kernels::elementary
