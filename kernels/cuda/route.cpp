#include "kernels/cuda/route.hpp"

#include "kernels/cuda/cuda_ops.hpp"

namespace troupe::kernels::cuda {

void CudaOps::route(Queue& queue, const Tensor& logits, const RoutingRule& rule, Routing& out) {
  const std::int64_t rows = logits.rows();
  CHECK(rule.experts >= 1 && logits.row_elements() == rule.experts, "router logits of another model");
  CHECK(rule.groups >= 1 && rule.experts % rule.groups == 0, "experts that do not fill their groups");
  CHECK(rule.groups_kept >= 1 && rule.groups_kept <= rule.groups, "more groups kept than there are");
  CHECK(rule.per_token >= 1 && rule.per_token <= rule.experts, "more experts a token than there are");
  CHECK(rule.experts <= Route::most_experts, "more experts than the kernel's memory");
  CHECK(out.experts.rows() == rows && out.experts.row_elements() == rule.per_token,
        "shape of routed experts");
  CHECK(out.weights.rows() == rows && out.weights.row_elements() == rule.per_token,
        "shape of routing weights");
  stream_of(queue).launch({.x = rows}, Route{.logits = logits.as<float>(),
                                             .rule = rule,
                                             .experts = out.experts.as<std::int32_t>(),
                                             .weights = out.weights.as<float>()});
}

void CudaOps::count_experts(Queue& queue, const Routing& routing, Tensor load) {
  const std::int64_t slots = routing.experts.elements();
  static_assert(sizeof(unsigned long long) == sizeof(std::int64_t));
  stream_of(queue).launch(blocks_of<CountExperts>(slots),
                          CountExperts{.experts = routing.experts.as<std::int32_t>(),
                                       .slots = slots,
                                       .load = reinterpret_cast<unsigned long long*>(load.as<std::int64_t>()),
                                       .load_experts = load.elements()});
}

}  // namespace troupe::kernels::cuda
