#include "kernels/cuda/rope.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::rope(Queue& queue, const Tensor& x, const RopeTable& table, const StepLayout& layout,
                   RopeForm form, Tensor out) {
  const std::int64_t half = table.cos.row_elements(), heads = x.shape(1), rope = 2 * half;
  CHECK(x.rank() == 3 && out.rank() == 3 && out.shape(1) == heads, "heads of rope");
  CHECK(x.rows() == layout.tokens && out.rows() == layout.tokens, "rows of rope");
  CHECK(rope <= x.shape(2) && rope <= out.shape(2), "heads narrower than what is rotated");
  CHECK(table.sin.row_elements() == half && table.sin.rows() == table.cos.rows(), "shapes of the rope table");
  CHECK(half >= 1 && half <= Rope::threads, "more pairs a head than a block has threads");
  for (const SequenceLayout& s : layout.sequences)
    CHECK(s.first_row + s.rows <= x.rows() && s.first_position + s.rows <= table.cos.rows(),
          "position out of range");
  const Rope k{.x = x.as<float>(),
               .out = out.as<float>(),
               .heads = heads,
               .x_width = x.shape(2),
               .out_width = out.shape(2),
               .x_first = form.first ? 0 : x.shape(2) - rope,
               .out_first = form.first ? 0 : out.shape(2) - rope,
               .half = half,
               .next = form.pairs == RopePairs::neighbours ? 2 : 1,
               .apart = form.pairs == RopePairs::neighbours ? 1 : half,
               .cos = table.cos.as<float>(),
               .sin = table.sin.as<float>(),
               .step = staged(layout)};
  stream_of(queue).launch({.x = layout.tokens, .y = (heads + k.heads_at_once() - 1) / k.heads_at_once()}, k);
}

}  // namespace troupe::kernels::cuda
