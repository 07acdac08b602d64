#include "kernels/cuda/layer_cache.hpp"

#include "kernels/attention_check.hpp"
#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::check_blocks(const StepLayout& layout, const LayerCache& cache) {
  for (const SequenceLayout& s : layout.sequences) {
    CHECK(s.first_row >= 0 && s.first_row + s.rows <= layout.tokens, "a sequence beyond the step");
    if (s.rows == 0) continue;
    const std::int64_t used = (s.first_position + s.rows - 1) / cache.block_size() + 1;
    CHECK(used <= std::int64_t(s.blocks.size()), "position beyond the block table");
    for (const BlockId block : s.blocks.first(std::size_t(used)))
      CHECK(block >= 0 && block < cache.data.rows(), "block beyond the cache");
  }
}

void CudaOps::store_entries(Queue& queue, const Tensor& first, const Tensor& second, const StepLayout& layout,
                            const LayerCache& cache) {
  check_store_entries(first, second, layout, cache);
  check_blocks(layout, cache);
  stream_of(queue).launch({.x = layout.tokens},
                          StoreEntries{.first = first.as<float>(),
                                       .second = second.as<float>(),
                                       .form = cache.form,
                                       .place = {staged(layout), cache.block_size(), cache.form.words()},
                                       .cache = cache.data.as<float>()});
}

}  // namespace troupe::kernels::cuda
