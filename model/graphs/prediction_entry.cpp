#include "model/graphs/prediction_entry.hpp"

#include <algorithm>

#include "model/graphs/decoder_workspace.hpp"

namespace troupe::model {

using kernels::Tensor;

PredictionEntry::PredictionEntry(kernels::Ops& ops, const DecoderWeights& weights, float norm_epsilon,
                                 const ShardingPlan& plan, const DecoderLimits& limits, Storage& storage)
    : ops_(ops),
      weights_(*weights.prediction),
      first_token_(weights.first_token),
      norm_epsilon_(norm_epsilon),
      ranks_(plan.tensor_parallel),
      chunk_(std::min(limits.max_tokens, feed_forward_tokens)) {
  const std::int64_t hidden = weights_.hidden_norm.rows(), part = weights_.join_part;
  halves_ = storage.floats({2 * chunk_ * hidden});
  joined_ = storage.floats({chunk_, 2 * hidden});
  part_ = storage.floats({chunk_, part});
  parts_ = storage.floats({ranks_ * chunk_ * part});
}

void PredictionEntry::run(kernels::Queue& queue, const transport::Communicators& ranks,
                          const kernels::IndexList& tokens, const Tensor& states, const Tensor& out) {
  const std::int64_t rows = states.rows(), hidden = states.row_elements();
  // The ranks of a group, which meet here, have the same rows.
  for (std::int64_t first = 0; first < rows; first += chunk_) {
    const std::int64_t count = std::min(chunk_, rows - first);
    const Tensor halves = halves_.reshape({2, count, hidden});
    const Tensor embedded = halves.slice(0, 1).reshape({count, hidden}),
                 state = halves.slice(1, 1).reshape({count, hidden});
    ops_.embed(queue, tokens.part(first, count), weights_.embedding, first_token_, embedded);
    ranks.group.all_reduce(queue, embedded);  // the other ranks' rows are zero
    ops_.rms_norm(queue, embedded, weights_.embedding_norm, norm_epsilon_, embedded);
    ops_.rms_norm(queue, states.slice(first, count), weights_.hidden_norm, norm_epsilon_, state);

    const Tensor joined = joined_.slice(0, count), part = part_.slice(0, count);
    const Tensor parts = parts_.reshape({ranks_, count, weights_.join_part});
    ops_.join_columns(queue, halves, joined);
    ops_.linear(queue, joined, weights_.join, part);
    ranks.group.all_gather(queue, part, parts);
    ops_.join_columns(queue, parts, out.slice(first, count));
  }
}

}  // namespace troupe::model
