#include "kernels/chain.hpp"
#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/product.hpp"

namespace troupe::kernels {
namespace {

// Pointers to the rows of a tensor; element `offset` of each.
template <class T>
std::vector<T*> row_pointers(const Tensor& x, std::int64_t stride, std::int64_t offset) {
  std::vector<T*> rows(std::size_t(x.rows()));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = x.as<float>() + std::int64_t(i) * stride + offset;
  return rows;
}

}  // namespace

void CpuOps::linear(Queue& queue, const Tensor& x, const Weight& w, Tensor out) {
  const Projection alone{w, out};
  project(queue, x, {&alone, 1});
}

void CpuOps::project(Queue&, const Tensor& x, std::span<const Projection> projections) {
  std::vector<std::vector<float*>> outputs;
  std::vector<Product> products;
  const auto inputs = row_pointers<const float>(x, x.row_elements(), 0);
  for (const auto& [w, out] : projections) {
    CHECK(x.row_elements() == w.cols && out.row_elements() == w.rows && x.rows() == out.rows(),
          "shapes of linear");
    outputs.push_back(row_pointers<float>(out, w.rows, 0));
    products.push_back(
        {.w = &w, .shards = whole(w), .x = inputs.data(), .out = outputs.back().data(), .rows = x.rows()});
  }
  multiply(pool_, products);
}

void CpuOps::linear_sharded(Queue&, const Tensor& x, const Weight& w, const VirtualShards& shards,
                            Tensor out) {
  CHECK(x.row_elements() == w.cols && out.row_elements() == w.rows && x.rows() == out.rows(),
        "shapes of linear_sharded");
  const auto inputs = row_pointers<const float>(x, w.cols, 0);
  const auto outputs = row_pointers<float>(out, w.rows, 0);
  const Product product{
      .w = &w, .shards = shards, .x = inputs.data(), .out = outputs.data(), .rows = x.rows()};
  multiply(pool_, {&product, 1});
}

void CpuOps::head_linear(Queue&, const Tensor& x, std::span<const Weight> heads, Tensor out) {
  CHECK(x.rank() == 3 && out.rank() == 3 && x.rows() == out.rows(), "shapes of head_linear");
  CHECK(x.shape(1) == std::int64_t(heads.size()) && out.shape(1) == x.shape(1), "heads of head_linear");
  std::vector<std::vector<const float*>> inputs;
  std::vector<std::vector<float*>> outputs;
  std::vector<Product> products;
  for (std::size_t h = 0; h < heads.size(); ++h) {
    const Weight& w = heads[h];
    CHECK(w.cols <= x.shape(2) && w.rows <= out.shape(2), "a head's matrix does not fit its vectors");
    inputs.push_back(row_pointers<const float>(x, x.row_elements(), std::int64_t(h) * x.shape(2)));
    outputs.push_back(row_pointers<float>(out, out.row_elements(), std::int64_t(h) * out.shape(2)));
    products.push_back({.w = &w,
                        .shards = whole(w),
                        .x = inputs.back().data(),
                        .out = outputs.back().data(),
                        .rows = x.rows()});
  }
  multiply(pool_, products);
}

}  // namespace troupe::kernels
