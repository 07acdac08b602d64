#include "kernels/chain.hpp"
#include "kernels/cuda/cuda_ops.hpp"
#include "kernels/cuda/product.hpp"
#include "kernels/weights.hpp"

namespace troupe::kernels::cuda {
namespace {

Grid grid_of(const Multiply& k, std::int64_t matrices) {
  return {.x = (k.w.rows + k.threads - 1) / k.threads,
          .y = (k.tokens + product_tokens - 1) / product_tokens,
          .z = matrices};
}

Multiply product_of(const Tensor& x, const Weight& w, const VirtualShards& shards, const Tensor& out) {
  check_product(w, shards);
  CHECK(shards.count <= most_shards, "more shards than the kernel's tree has");
  return {.w = w,
          .shards = shards,
          .x = x.as<float>(),
          .x_token_step = x.row_elements(),
          .out = out.as<float>(),
          .out_token_step = out.row_elements(),
          .tokens = x.rows()};
}

// Whether the heads are equal matrices at equal steps, as WeightReader::stack makes them; then of what steps.
bool is_stack(std::span<const Weight> heads, Multiply& k) {
  if (heads.size() < 2) return true;
  const auto byte = [&](std::size_t i) { return static_cast<const std::byte*>(heads[i].data); };
  k.weight_step = byte(1) - byte(0);
  k.scale_step = heads[1].scales - heads[0].scales;
  k.weight_row_step = heads[1].row0 - heads[0].row0;
  for (std::size_t i = 1; i < heads.size(); ++i) {
    const Weight& w = heads[i];
    const bool equal = w.dtype == heads[0].dtype && w.rows == heads[0].rows && w.cols == heads[0].cols &&
                       w.scale_stride == heads[0].scale_stride && w.col0 == heads[0].col0 &&
                       w.block_rows == heads[0].block_rows && w.block_cols == heads[0].block_cols &&
                       w.order == heads[0].order;
    const auto n = std::int64_t(i);
    if (!equal || byte(i) - byte(0) != n * k.weight_step || w.scales - heads[0].scales != n * k.scale_step ||
        w.row0 - heads[0].row0 != n * k.weight_row_step)
      return false;
  }
  return true;
}

}  // namespace

void CudaOps::linear(Queue& queue, const Tensor& x, const Weight& w, Tensor out) {
  CHECK(x.row_elements() == w.cols && out.row_elements() == w.rows && x.rows() == out.rows(),
        "shapes of linear");
  const Multiply k = product_of(x, w, whole(w), out);
  stream_of(queue).launch(grid_of(k, 1), k);
}

void CudaOps::linear_sharded(Queue& queue, const Tensor& x, const Weight& w, const VirtualShards& shards,
                             Tensor out) {
  CHECK(x.row_elements() == w.cols && out.row_elements() == w.rows && x.rows() == out.rows(),
        "shapes of linear_sharded");
  const Multiply k = product_of(x, w, shards, out);
  stream_of(queue).launch(grid_of(k, 1), k);
}

void CudaOps::head_linear(Queue& queue, const Tensor& x, std::span<const Weight> heads, Tensor out) {
  CHECK(x.rank() == 3 && out.rank() == 3 && x.rows() == out.rows(), "shapes of head_linear");
  CHECK(x.shape(1) == std::int64_t(heads.size()) && out.shape(1) == x.shape(1), "heads of head_linear");
  for (const Weight& w : heads)
    CHECK(w.cols <= x.shape(2) && w.rows <= out.shape(2), "a head's matrix does not fit its vectors");
  if (heads.empty()) return;
  Multiply k = product_of(x, heads[0], whole(heads[0]), out);
  k.x_step = x.shape(2);
  k.out_step = out.shape(2);
  if (is_stack(heads, k)) return stream_of(queue).launch(grid_of(k, std::int64_t(heads.size())), k);
  for (std::size_t h = 0; h < heads.size(); ++h) {
    Multiply one = product_of(x, heads[h], whole(heads[h]), out);
    one.x += std::int64_t(h) * x.shape(2);
    one.out += std::int64_t(h) * out.shape(2);
    stream_of(queue).launch(grid_of(one, 1), one);
  }
}

}  // namespace troupe::kernels::cuda
