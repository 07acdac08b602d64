#include <algorithm>
#include <vector>

#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {
namespace {

// x: [2 * half]: pair i is elements i * next and i * next + apart; out: [2 * half], halves, may be x. scratch: [half].
void rotate(const float* x, std::int64_t next, std::int64_t apart, const float* cos, const float* sin,
            std::int64_t half, float* scratch, float* out) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = x[i * next], b = x[i * next + apart];
    // Where out is x, element i was read already, element i + half perhaps not.
    out[i] = a * cos[i] - b * sin[i];
    scratch[i] = b * cos[i] + a * sin[i];
  }
  std::copy_n(scratch, half, out + half);
}

}  // namespace

void CpuOps::rope(Queue&, const Tensor& x, const RopeTable& table, const StepLayout& layout, RopeForm form,
                  Tensor out) {
  const std::int64_t half = table.cos.row_elements(), heads = x.shape(1), rope = 2 * half;
  CHECK(x.rank() == 3 && out.rank() == 3 && out.shape(1) == heads, "heads of rope");
  CHECK(x.rows() == layout.tokens && out.rows() == layout.tokens, "rows of rope");
  CHECK(rope <= x.shape(2) && rope <= out.shape(2), "heads narrower than what is rotated");
  CHECK(table.sin.row_elements() == half && table.sin.rows() == table.cos.rows(), "shapes of the rope table");
  const std::int64_t next = form.pairs == RopePairs::neighbours ? 2 : 1,
                     apart = form.pairs == RopePairs::neighbours ? 1 : half;
  const auto rotated_part = [&](const Tensor& tensor, std::int64_t head) {
    return tensor.as<float>() + head * tensor.shape(2) + (form.first ? 0 : tensor.shape(2) - rope);
  };
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row + s.rows <= x.rows() && s.first_position + s.rows <= table.cos.rows(),
          "position out of range");
    each_row(s.rows, heads * rope, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scratch(static_cast<std::size_t>(half));
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t angle = (s.first_position + i) * half, first_head = (s.first_row + i) * heads;
        for (std::int64_t head = first_head; head < first_head + heads; ++head)
          rotate(rotated_part(x, head), next, apart, table.cos.as<float>() + angle,
                 table.sin.as<float>() + angle, half, scratch.data(), rotated_part(out, head));
      }
    });
  }
}

}  // namespace troupe::kernels
