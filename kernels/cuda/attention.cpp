#include "kernels/cuda/attention.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::mla_attention(Queue& queue, const Tensor& q, const LatentCache& cache, const StepLayout& layout,
                            float scale, Tensor out) {
  CHECK(q.rank() == 3 && out.rank() == 3 && cache.data.rank() == 3, "ranks of mla_attention");
  CHECK(q.rows() == out.rows() && q.shape(1) == out.shape(1), "rows of mla_attention");
  CHECK(q.shape(2) == cache.data.shape(2) && out.shape(2) <= q.shape(2), "widths of mla_attention");
  CHECK(q.rows() == layout.tokens, "rows of mla_attention");
  CHECK(q.shape(2) <= MlaAttention::most_width, "a latent wider than the kernel's memory");
  check_blocks(layout, cache);
  stream_of(queue).launch({.x = layout.tokens, .y = q.shape(1)},
                          MlaAttention{.q = q.as<float>(),
                                       .heads = q.shape(1),
                                       .latent = out.shape(2),
                                       .cache = cache.data.as<float>(),
                                       .place = {staged(layout), cache.block_size(), q.shape(2)},
                                       .scale = scale,
                                       .out = out.as<float>()});
}

}  // namespace troupe::kernels::cuda
