#include "kernels/cuda/experts.hpp"

#include "kernels/cuda/product_tile.hpp"

namespace troupe::kernels::cuda {
namespace {

template <DType type>
DEVICE void multiply_experts(const MultiplyExperts& k) {
  if (std::int64_t(blockIdx.y) >= k.order.counts[1]) return;
  const VisitTile tile = k.order.tiles[blockIdx.y];
  const Weight w = k.weights[blockIdx.z][tile.place];
  if (w.dtype != type) return;
  float* const out = k.out[blockIdx.z];
  const auto row = [&](const std::int32_t* rows, int i) {
    return std::int64_t{rows != nullptr ? rows[tile.first + i] : tile.first + i};
  };
  multiply_tile<type>(
      w, k.shards, tile.count, [&](int i) { return k.x + row(k.x_rows, i) * k.x_width; },
      [&](int i) { return out + row(k.out_rows, i) * k.out_width; });
}

}  // namespace

KERNEL(list_visits, ListVisits) {
  const std::int64_t visit = std::int64_t(blockIdx.x) * k.threads + threadIdx.x;
  if (visit == 0) {
    k.counts[0] = std::int32_t(k.tokens);
    k.counts[1] = std::int32_t(k.tokens * k.slots);
  }
  if (visit >= k.tokens * k.slots) return;
  k.visit_rows[visit] = std::int32_t(visit / k.slots);
  k.visit_experts[visit] = k.experts[visit];
}

KERNEL(order_visits, OrderVisits) {
  SHARED(std::int32_t, first, OrderVisits::most_experts + 1);  // of the visits to each expert, in the order
  SHARED(std::int32_t, first_tile, OrderVisits::most_experts + 1);  // likewise
  const int thread = int(threadIdx.x), visits = k.counts[1];
  DEVICE_CHECK(k.counts[0] >= 0 && k.counts[0] <= k.rows && visits >= 0 && visits <= k.visits);
  for (int v = thread; v < visits; v += k.threads) {
    DEVICE_CHECK(k.visit_experts[v] >= 0 && k.visit_experts[v] < k.experts);
    DEVICE_CHECK(k.visit_rows[v] >= 0 && k.visit_rows[v] < k.counts[0]);
  }
  for (int e = thread; e < k.experts; e += k.threads) {
    int count = 0;
    if (k.place_of[e] >= 0)
      for (int v = 0; v < visits; ++v) count += k.visit_experts[v] == e;
    first[e + 1] = count;
    first_tile[e + 1] = (count + product_tokens - 1) / product_tokens;
  }
  __syncthreads();
  if (thread == 0) {
    first[0] = first_tile[0] = 0;
    for (int e = 0; e < k.experts; ++e) {
      first[e + 1] += first[e];
      first_tile[e + 1] += first_tile[e];
    }
    k.order.counts[0] = first[k.experts];
    k.order.counts[1] = first_tile[k.experts];
  }
  __syncthreads();
  for (int e = thread; e < k.experts; e += k.threads) {
    int at = first[e];
    const int end = first[e + 1];
    for (int v = 0; v < visits && at < end; ++v)
      if (k.visit_experts[v] == e) {
        k.order.visits[at] = v;
        k.order.rows[at] = k.visit_rows[v];
        ++at;
      }
    int begin = first[e];
    for (int tile = first_tile[e]; tile < first_tile[e + 1]; ++tile, begin += product_tokens)
      k.order.tiles[tile] = {k.place_of[e], begin,
                             end - begin < product_tokens ? end - begin : product_tokens};
  }
}

KERNEL(zero_elsewhere, ZeroElsewhere) {
  const std::int64_t visit = blockIdx.x;
  if (visit >= k.counts[1] || k.place_of[k.visit_experts[visit]] >= 0) return;
  for (std::int64_t i = threadIdx.x; i < k.n; i += k.threads) k.out[visit * k.n + i] = 0;
}

KERNEL(multiply_experts_f32, MultiplyExperts) {
  multiply_experts<DType::f32>(k);
}
KERNEL(multiply_experts_f16, MultiplyExperts) {
  multiply_experts<DType::f16>(k);
}
KERNEL(multiply_experts_bf16, MultiplyExperts) {
  multiply_experts<DType::bf16>(k);
}
KERNEL(multiply_experts_f8, MultiplyExperts) {
  multiply_experts<DType::f8_e4m3>(k);
}
KERNEL(multiply_experts_q8_0, MultiplyExperts) {
  multiply_experts<DType::q8_0>(k);
}
KERNEL(multiply_experts_q4_0, MultiplyExperts) {
  multiply_experts<DType::q4_0>(k);
}
KERNEL(multiply_experts_q4_1, MultiplyExperts) {
  multiply_experts<DType::q4_1>(k);
}
KERNEL(multiply_experts_q5_0, MultiplyExperts) {
  multiply_experts<DType::q5_0>(k);
}
KERNEL(multiply_experts_q5_1, MultiplyExperts) {
  multiply_experts<DType::q5_1>(k);
}
KERNEL(multiply_experts_q2_k, MultiplyExperts) {
  multiply_experts<DType::q2_k>(k);
}
KERNEL(multiply_experts_q3_k, MultiplyExperts) {
  multiply_experts<DType::q3_k>(k);
}
KERNEL(multiply_experts_q4_k, MultiplyExperts) {
  multiply_experts<DType::q4_k>(k);
}
KERNEL(multiply_experts_q5_k, MultiplyExperts) {
  multiply_experts<DType::q5_k>(k);
}
KERNEL(multiply_experts_q6_k, MultiplyExperts) {
  multiply_experts<DType::q6_k>(k);
}
KERNEL(multiply_experts_iq4_nl, MultiplyExperts) {
  multiply_experts<DType::iq4_nl>(k);
}
KERNEL(multiply_experts_i4_32, MultiplyExperts) {
  multiply_experts<DType::i4_32>(k);
}
KERNEL(multiply_experts_i4_128, MultiplyExperts) {
  multiply_experts<DType::i4_128>(k);
}
KERNEL(multiply_experts_i8_32, MultiplyExperts) {
  multiply_experts<DType::i8_32>(k);
}
KERNEL(multiply_experts_i8_128, MultiplyExperts) {
  multiply_experts<DType::i8_128>(k);
}
KERNEL(multiply_experts_i4_bf16, MultiplyExperts) {
  multiply_experts<DType::i4_bf16>(k);
}
KERNEL(multiply_experts_mxfp4, MultiplyExperts) {
  multiply_experts<DType::mxfp4>(k);
}
KERNEL(multiply_experts_nvfp4, MultiplyExperts) {
  multiply_experts<DType::nvfp4>(k);
}
KERNEL(multiply_experts_nf4, MultiplyExperts) {
  multiply_experts<DType::nf4>(k);
}

}  // namespace troupe::kernels::cuda
