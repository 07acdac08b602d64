// Which of the instruction sets of kernels/cpu/targets.hpp the kernels of this process use. One thread, while no
// kernel runs.
#pragma once

#include <cstdint>

namespace troupe::kernels {

enum class InstructionSet : std::uint8_t { avx2, avx512 };

// That of operations made from now on, if this CPU has one at all: make_cpu_ops refuses one that has not.
InstructionSet instruction_set();

// From now on as on a CPU without AVX-512. Results are the same bytes.
void use_avx2();

}  // namespace troupe::kernels
