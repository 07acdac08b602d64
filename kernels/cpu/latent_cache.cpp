#include "kernels/cpu/latent_cache.hpp"

#include <algorithm>

#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {

void CpuOps::store_latent(Queue&, const Tensor& latent, const Tensor& rope_key, const StepLayout& layout,
                          const LatentCache& cache) {
  const std::int64_t latents = latent.row_elements(), ropes = rope_key.row_elements();
  CHECK(cache.data.rank() == 3 && cache.data.shape(2) == latents + ropes, "shapes of store_latent");
  CHECK(latent.rows() == layout.tokens && rope_key.rows() == layout.tokens, "rows of store_latent");
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= layout.tokens, "a sequence beyond the step");
    for (std::int64_t i = 0; i < s.rows; ++i) {
      float* const entry = cache_entry(cache, s, s.first_position + i);
      std::copy_n(latent.as<float>() + (s.first_row + i) * latents, latents, entry);
      std::copy_n(rope_key.as<float>() + (s.first_row + i) * ropes, ropes, entry + latents);
    }
  }
}

}  // namespace troupe::kernels
