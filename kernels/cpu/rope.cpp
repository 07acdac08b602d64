#include <vector>

#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {
namespace {

// x: [2 * half], neighbours in, halves out. scratch: [half].
void rotate(float* x, const float* cos, const float* sin, std::int64_t half, float* scratch) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    // Element i of the result was read already, element i + half perhaps not.
    x[i] = a * cos[i] - b * sin[i];
    scratch[i] = b * cos[i] + a * sin[i];
  }
  std::copy_n(scratch, half, x + half);
}

}  // namespace

void CpuOps::rope(Queue&, Tensor x, const RopeTable& table, const StepLayout& layout) {
  const std::int64_t half = table.cos.row_elements(), head = x.shape(2), heads = x.shape(1);
  CHECK(x.rank() == 3 && 2 * half <= head && x.rows() == layout.tokens, "shapes of rope");
  CHECK(table.sin.row_elements() == half && table.sin.rows() == table.cos.rows(), "shapes of the rope table");
  std::vector<float> scratch(static_cast<std::size_t>(half));
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row + s.rows <= x.rows() && s.first_position + s.rows <= table.cos.rows(),
          "position out of range");
    for (std::int64_t i = 0; i < s.rows; ++i) {
      const std::int64_t angle = (s.first_position + i) * half;
      for (std::int64_t h = 0; h < heads; ++h)
        rotate(x.as<float>() + ((s.first_row + i) * heads + h + 1) * head - 2 * half,
               table.cos.as<float>() + angle, table.sin.as<float>() + angle, half, scratch.data());
    }
  }
}

}  // namespace troupe::kernels
