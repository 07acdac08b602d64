// The router of DeepSeek V3, and with softmax that of V2.
#include <algorithm>
#include <numeric>

#include "kernels/cpu/cpu_ops.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/route.cpp"
#include "kernels/cpu/targets.hpp"
// Highway after the choice of targets.
#include <hwy/foreach_target.h>

#include "kernels/cpu/exp-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace troupe::kernels::HWY_NAMESPACE {

void sigmoid_scores(const float* logits, std::int64_t n, float* scores) {
  each_chunk(n, [&](std::int64_t i, std::int64_t length)
                    LANES_INLINE { store_part(sigmoid(load_part(logits + i, length)), scores + i, length); });
}

void softmax_scores(const float* logits, std::int64_t n, float* scores) {
  const Lanes minus = broadcast(-*std::max_element(logits, logits + n));
  constexpr float lowest = -std::numeric_limits<float>::infinity();
  Lanes sums = zero();
  each_chunk(n, [&](std::int64_t i, std::int64_t length) LANES_INLINE {
    const Lanes e = exp(add(load_part(logits + i, length, lowest), minus));
    store_part(e, scores + i, length);
    sums = add(sums, e);
  });
  const float total = sum(sums);
  for (std::int64_t i = 0; i < n; ++i) scores[i] /= total;
}

}  // namespace troupe::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace troupe::kernels {
namespace {

HWY_EXPORT(sigmoid_scores);
HWY_EXPORT(softmax_scores);

// Indices of the k highest values, highest first, ties by lower index.
void highest(const std::vector<float>& values, int k, std::vector<int>& order) {
  order.resize(values.size());
  std::iota(order.begin(), order.end(), 0);
  auto before = [&](int a, int b) {
    const float x = values[std::size_t(a)], y = values[std::size_t(b)];
    return x > y || (x == y && a < b);
  };
  std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
}

// Buffers of one thread's rows.
struct Router {
  const RoutingRule& rule;
  std::vector<float> scores, choice, group_scores;
  std::vector<int> order;

  explicit Router(const RoutingRule& r)
      : rule(r), scores(std::size_t(r.experts)), group_scores(std::size_t(r.groups)) {}

  // Sum of the two highest with sigmoid scoring (DeepSeek-V3 report, section 2.1.2, node-limited routing; two
  // as in the published code), the highest with softmax (DeepSeek-V2, section 2.2.2).
  float score_of_group(const float* first, int size) const {
    float best = first[0], second = -std::numeric_limits<float>::infinity();
    for (int i = 1; i < size; ++i) {
      second = std::max(second, std::min(best, first[i]));
      best = std::max(best, first[i]);
    }
    return rule.scoring == Scoring::sigmoid && size > 1 ? best + second : best;
  }

  // Experts of groups that are not among the best are out, even where all others have negative biased scores:
  // -infinity as in DeepSeek's own code, not the 0 of older transformers.
  void mask_groups() {
    const int size = rule.experts / rule.groups;
    for (int g = 0; g < rule.groups; ++g)
      group_scores[std::size_t(g)] = score_of_group(&choice[std::size_t(g * size)], size);
    highest(group_scores, rule.groups_kept, order);
    for (std::size_t i = std::size_t(rule.groups_kept); i < order.size(); ++i)
      std::fill_n(choice.begin() + order[i] * size, size, -std::numeric_limits<float>::infinity());
  }

  void route(const float* logits, std::int32_t* experts, float* weights) {
    if (rule.scoring == Scoring::sigmoid)
      HWY_DYNAMIC_DISPATCH(sigmoid_scores)(logits, rule.experts, scores.data());
    else
      HWY_DYNAMIC_DISPATCH(softmax_scores)(logits, rule.experts, scores.data());
    choice = scores;
    // The bias balances load and so steers the choice alone; weights come from the scores without it
    // (DeepSeek-V3 report, equation 16; e_score_correction_bias).
    if (rule.bias != nullptr)
      for (std::size_t i = 0; i < choice.size(); ++i) choice[i] += rule.bias[i];
    // Numbers that are not ordered cannot be sorted; sampling reports them when they reach the logits.
    for (float& value : choice)
      if (value != value) value = -std::numeric_limits<float>::infinity();
    if (rule.groups > 1) mask_groups();
    highest(choice, rule.per_token, order);
    float total = 0;
    for (int s = 0; s < rule.per_token; ++s) {
      experts[s] = order[std::size_t(s)];
      weights[s] = scores[std::size_t(experts[s])];
      total += weights[s];
    }
    for (int s = 0; s < rule.per_token; ++s) {
      if (rule.normalise) weights[s] /= total + 1e-20f;  // as upstream's denominator
      weights[s] *= rule.scaling;
    }
  }
};

}  // namespace

void CpuOps::route(Queue&, const Tensor& logits, const RoutingRule& rule, Routing& out) {
  const std::int64_t rows = logits.rows();
  CHECK(rule.experts >= 1 && logits.row_elements() == rule.experts, "router logits of another model");
  CHECK(rule.groups >= 1 && rule.experts % rule.groups == 0, "experts that do not fill their groups");
  CHECK(rule.groups_kept >= 1 && rule.groups_kept <= rule.groups, "more groups kept than there are");
  CHECK(rule.per_token >= 1 && rule.per_token <= rule.experts, "more experts a token than there are");
  CHECK(out.experts.rows() == rows && out.experts.row_elements() == rule.per_token,
        "shape of routed experts");
  CHECK(out.weights.rows() == rows && out.weights.row_elements() == rule.per_token,
        "shape of routing weights");
  each_row(rows, 32 * rule.experts, [&](std::int64_t begin, std::int64_t end) {
    Router router(rule);
    for (std::int64_t t = begin; t < end; ++t)
      router.route(logits.as<float>() + t * rule.experts, out.experts.as<std::int32_t>() + t * rule.per_token,
                   out.weights.as<float>() + t * rule.per_token);
  });
}

void CpuOps::count_experts(Queue&, const Routing& routing, Tensor load) {
  std::int64_t* const counts = load.as<std::int64_t>();
  for (std::int64_t i = 0; i < routing.experts.elements(); ++i) {
    const std::int32_t expert = routing.experts.as<std::int32_t>()[i];
    CHECK(expert >= 0 && expert < load.elements(), "an expert that the model does not have");
    ++counts[expert];
  }
}

}  // namespace troupe::kernels
#endif  // HWY_ONCE
