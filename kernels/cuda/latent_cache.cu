#include "kernels/cuda/latent_cache.hpp"

#include "kernels/cuda/kernel.hpp"

namespace troupe::kernels::cuda {

KERNEL(store_latent, StoreLatent) {
  const std::int64_t row = blockIdx.x, latents = k.latents, ropes = k.place.width - latents;
  if (k.place.step.first_block[row] < 0) return;
  float* const entry = k.cache + k.place.entry(row, k.place.step.position[row]);
  for (std::int64_t i = threadIdx.x; i < k.place.width; i += k.threads)
    entry[i] = i < latents ? k.latent[row * latents + i] : k.rope_key[row * ropes + i - latents];
}

}  // namespace troupe::kernels::cuda
