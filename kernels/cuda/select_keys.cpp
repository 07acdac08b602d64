#include "kernels/cuda/select_keys.hpp"

#include <algorithm>

#include "kernels/attention_check.hpp"
#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::select_keys(Queue& queue, const Tensor& q, const Tensor& weights, const LayerCache& keys,
                          const StepLayout& layout, Tensor scores, Tensor out) {
  check_select_keys(q, weights, keys, scores, out);
  CHECK(q.rows() == layout.tokens, "rows of select_keys");
  for (const SequenceLayout& s : layout.sequences) {
    const std::int64_t sees = s.first_position + s.rows;
    CHECK(sees <= out.row_elements() || sees <= scores.row_elements(), "no room for the scores of a row");
  }
  check_blocks(layout, keys);
  for (std::int64_t first = 0; first < layout.tokens; first += scores.rows())
    stream_of(queue).launch({.x = std::min(scores.rows(), layout.tokens - first)},
                            SelectKeys{.q = q.as<float>(),
                                       .weights = weights.as<float>(),
                                       .heads = q.shape(1),
                                       .cache = keys.data.as<float>(),
                                       .place = {staged(layout), keys.block_size(), keys.form.words()},
                                       .form = keys.form,
                                       .first_row = first,
                                       .scores = scores.as<float>(),
                                       .positions = scores.row_elements(),
                                       .most = out.row_elements(),
                                       .out = out.as<std::int32_t>()});
}

}  // namespace troupe::kernels::cuda
