#include "kernels/cpu/instruction_set.hpp"

#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/targets.h>

namespace troupe::kernels {

InstructionSet instruction_set() {
  return (hwy::SupportedTargets() & HWY_TARGETS & HWY_AVX3) != 0 ? InstructionSet::avx512
                                                                 : InstructionSet::avx2;
}

void use_avx2() {
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
}

}  // namespace troupe::kernels
