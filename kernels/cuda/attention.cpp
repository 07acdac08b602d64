#include "kernels/cuda/attention.hpp"

#include "kernels/attention_check.hpp"
#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::attend(Queue& queue, const Tensor& q, const LayerCache& cache, const EntryColumns& columns,
                     const StepLayout& layout, float scale, const Tensor& out, const Tensor* selected) {
  CHECK(q.rows() == layout.tokens, "rows of attention");
  CHECK(q.shape(2) <= Attention::most_width && out.shape(2) <= Attention::most_width,
        "a head wider than the kernel's memory");
  check_blocks(layout, cache);
  stream_of(queue).launch({.x = layout.tokens, .y = q.shape(1)},
                          Attention{.q = q.as<float>(),
                                    .heads = q.shape(1),
                                    .width = q.shape(2),
                                    .value_width = out.shape(2),
                                    .cache = cache.data.as<float>(),
                                    .place = {staged(layout), cache.block_size(), cache.form.words()},
                                    .form = cache.form,
                                    .columns = columns,
                                    .scale = scale,
                                    .out = out.as<float>(),
                                    .selected = selected ? selected->as<std::int32_t>() : nullptr,
                                    .most = selected ? selected->row_elements() : 0});
}

void CudaOps::mla_attention(Queue& queue, const Tensor& q, const LayerCache& cache, const StepLayout& layout,
                            float scale, Tensor out) {
  attend(queue, q, cache, check_latent_attention(q, cache, out), layout, scale, out);
}

void CudaOps::sparse_mla_attention(Queue& queue, const Tensor& q, const LayerCache& cache,
                                   const Tensor& selected, const StepLayout& layout, float scale,
                                   Tensor out) {
  attend(queue, q, cache, check_sparse_attention(q, cache, selected, out), layout, scale, out, &selected);
}

void CudaOps::gqa_attention(Queue& queue, const Tensor& q, const LayerCache& cache, std::int64_t key_heads,
                            const StepLayout& layout, float scale, Tensor out) {
  attend(queue, q, cache, check_grouped_attention(q, cache, key_heads, out), layout, scale, out);
}

}  // namespace troupe::kernels::cuda
