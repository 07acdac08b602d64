#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/product.hpp"

#include <algorithm>
#include <memory>

namespace troupe::kernels {
namespace {

// The rows in use, those of experts that are here ordered
// by expert, so that each expert's weights are read once.
struct Grouping {
  std::vector<std::int64_t> rows, elsewhere;
  std::vector<std::pair<std::size_t, std::size_t>> groups;  // [begin, end) in rows; one expert each
};

Grouping group_by_expert(const std::int32_t* expert, std::int64_t used, const ExpertWeights& local) {
  Grouping result;
  for (std::int64_t row = 0; row < used; ++row) {
    CHECK(expert[row] >= 0 && std::size_t(expert[row]) < local.place_of.size(),
          "an expert that the model does not have");
    const bool here = local.place_of[std::size_t(expert[row])] >= 0;
    (here ? result.rows : result.elsewhere).push_back(row);
  }
  auto by_expert = [&](std::int64_t a, std::int64_t b) { return expert[a] < expert[b]; };
  std::stable_sort(result.rows.begin(), result.rows.end(), by_expert);
  for (std::size_t begin = 0, end; begin < result.rows.size(); begin = end) {
    for (end = begin; end < result.rows.size() && expert[result.rows[end]] == expert[result.rows[begin]];)
      ++end;
    result.groups.emplace_back(begin, end);
  }
  return result;
}

const Expert& expert_at(const ExpertWeights& local, std::int32_t id) {
  const auto place = std::size_t(local.place_of[std::size_t(id)]);
  CHECK(place < local.experts.size(), "a place without an expert");
  return local.experts[place];
}

}  // namespace

void CpuOps::experts(Queue& queue, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) {
  const std::int64_t used = *batch.count.as<std::int32_t>(), hidden = batch.rows.row_elements();
  CHECK(used >= 0 && used <= batch.rows.rows() && used <= batch.experts.elements(),
        "rows in use out of range");
  CHECK(out.rows() >= used && out.row_elements() == hidden, "shapes of experts");
  const std::int32_t* const expert = batch.experts.as<std::int32_t>();
  const Grouping grouping = group_by_expert(expert, used, local);
  each_row(std::int64_t(grouping.elsewhere.size()), hidden, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::fill_n(out.as<float>() + grouping.elsewhere[std::size_t(i)] * hidden, hidden, 0.0f);
  });
  if (grouping.rows.empty()) return;

  const std::size_t rows = grouping.rows.size();
  const std::int64_t width = local.experts.front().gate.rows;  // intermediate columns of this rank
  const std::size_t inner_elements = rows * std::size_t(width);
  const auto gates = std::make_unique_for_overwrite<float[]>(inner_elements),
             ups = std::make_unique_for_overwrite<float[]>(inner_elements);
  std::vector<const float*> inputs(rows), inner(rows);
  std::vector<float*> gate_rows(rows), up_rows(rows), outputs(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    inputs[i] = batch.rows.as<float>() + grouping.rows[i] * hidden;
    outputs[i] = out.as<float>() + grouping.rows[i] * hidden;
    inner[i] = gate_rows[i] = &gates[i * std::size_t(width)];
    up_rows[i] = &ups[i * std::size_t(width)];
  }
  std::vector<Product> first, second;
  for (const auto& [begin, end] : grouping.groups) {
    const Expert& e = expert_at(local, expert[grouping.rows[begin]]);
    CHECK(e.gate.rows == width && e.up.rows == width && e.down.cols == width, "experts of unequal width");
    CHECK(e.gate.cols == hidden && e.up.cols == hidden && e.down.rows == hidden, "experts of another model");
    const auto count = std::int64_t(end - begin);
    first.push_back({&e.gate, whole(e.gate), &inputs[begin], &gate_rows[begin], count});
    first.push_back({&e.up, whole(e.up), &inputs[begin], &up_rows[begin], count});
    second.push_back({&e.down, local.shards, &inner[begin], &outputs[begin], count});
  }
  multiply(pool_, first);
  silu_mul(queue, Tensor(gates.get(), DType::f32, {std::int64_t(rows), width}),
           Tensor(ups.get(), DType::f32, {std::int64_t(rows), width}));
  multiply(pool_, second);
}

}  // namespace troupe::kernels
