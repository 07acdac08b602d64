#include "kernels/cuda/latent_cache.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::check_blocks(const StepLayout& layout, const LatentCache& cache) {
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= layout.tokens, "a sequence beyond the step");
    if (s.rows == 0) continue;
    const std::int64_t used = (s.first_position + s.rows - 1) / cache.block_size() + 1;
    CHECK(used <= std::int64_t(s.blocks.size()), "position beyond the block table");
    for (const BlockId block : s.blocks.first(std::size_t(used)))
      CHECK(block >= 0 && block < cache.data.rows(), "block beyond the cache");
  }
}

void CudaOps::store_latent(Queue& queue, const Tensor& latent, const Tensor& rope_key,
                           const StepLayout& layout, const LatentCache& cache) {
  const std::int64_t latents = latent.row_elements(), ropes = rope_key.row_elements();
  CHECK(cache.data.rank() == 3 && cache.data.shape(2) == latents + ropes, "shapes of store_latent");
  CHECK(latent.rows() == layout.tokens && rope_key.rows() == layout.tokens, "rows of store_latent");
  check_blocks(layout, cache);
  stream_of(queue).launch({.x = layout.tokens},
                          StoreLatent{.latent = latent.as<float>(),
                                      .rope_key = rope_key.as<float>(),
                                      .latents = latents,
                                      .place = {staged(layout), cache.block_size(), latents + ropes},
                                      .cache = cache.data.as<float>()});
}

}  // namespace troupe::kernels::cuda
