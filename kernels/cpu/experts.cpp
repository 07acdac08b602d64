#include "kernels/chain.hpp"
#include "kernels/cpu/cpu_ops.hpp"
#include "kernels/cpu/product.hpp"

#include <algorithm>
#include <memory>

namespace troupe::kernels {
namespace {

// The visits in use, those to experts that are here ordered
// by expert, so that each expert's weights are read once.
struct Grouping {
  std::vector<std::int64_t> visits, elsewhere;
  std::vector<std::pair<std::size_t, std::size_t>> groups;  // [begin, end) in visits; one expert each
};

Grouping group_by_expert(const std::int32_t* expert, std::int64_t used, const ExpertWeights& local) {
  Grouping result;
  for (std::int64_t visit = 0; visit < used; ++visit) {
    CHECK(expert[visit] >= 0 && std::size_t(expert[visit]) < local.place_of.size(),
          "an expert that the model does not have");
    const bool here = local.place_of[std::size_t(expert[visit])] >= 0;
    (here ? result.visits : result.elsewhere).push_back(visit);
  }
  auto by_expert = [&](std::int64_t a, std::int64_t b) { return expert[a] < expert[b]; };
  std::stable_sort(result.visits.begin(), result.visits.end(), by_expert);
  for (std::size_t begin = 0, end; begin < result.visits.size(); begin = end) {
    for (end = begin;
         end < result.visits.size() && expert[result.visits[end]] == expert[result.visits[begin]];)
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

void CpuOps::list_visits(Queue&, const Routing& routing, ExpertBatch& out) {
  const std::int64_t tokens = routing.experts.rows(), slots = routing.experts.row_elements();
  const std::int64_t visits = tokens * slots;
  CHECK(tokens <= out.rows.rows(), "an expert batch of other tokens");
  CHECK(visits <= out.visit_rows.elements() && visits <= out.visit_experts.elements(),
        "an expert batch of too little capacity");
  std::int32_t* const rows = out.visit_rows.as<std::int32_t>();
  for (std::int64_t visit = 0; visit < visits; ++visit) rows[visit] = std::int32_t(visit / slots);
  std::copy_n(routing.experts.as<std::int32_t>(), visits, out.visit_experts.as<std::int32_t>());
  out.counts.as<std::int32_t>()[0] = std::int32_t(tokens);
  out.counts.as<std::int32_t>()[1] = std::int32_t(visits);
}

void CpuOps::experts(Queue& queue, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) {
  const std::int64_t rows_used = batch.counts.as<std::int32_t>()[0],
                     used = batch.counts.as<std::int32_t>()[1], hidden = batch.rows.row_elements();
  CHECK(rows_used >= 0 && rows_used <= batch.rows.rows(), "rows in use out of range");
  CHECK(used >= 0 && used <= batch.visit_rows.elements() && used <= batch.visit_experts.elements(),
        "visits in use out of range");
  CHECK(out.rows() >= used && out.row_elements() == hidden, "shapes of experts");
  const std::int32_t* const row_of = batch.visit_rows.as<std::int32_t>();
  const std::int32_t* const expert = batch.visit_experts.as<std::int32_t>();
  const Grouping grouping = group_by_expert(expert, used, local);
  each_row(std::int64_t(grouping.elsewhere.size()), hidden, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::fill_n(out.as<float>() + grouping.elsewhere[std::size_t(i)] * hidden, hidden, 0.0f);
  });
  if (grouping.visits.empty()) return;

  const std::size_t visits = grouping.visits.size();
  const std::int64_t width = local.experts.front().gate.rows;  // intermediate columns of this rank
  const std::size_t inner_elements = visits * std::size_t(width);
  const auto gates = std::make_unique_for_overwrite<float[]>(inner_elements),
             ups = std::make_unique_for_overwrite<float[]>(inner_elements);
  std::vector<const float*> inputs(visits), inner(visits);
  std::vector<float*> gate_rows(visits), up_rows(visits), outputs(visits);
  for (std::size_t i = 0; i < visits; ++i) {
    const std::int64_t visit = grouping.visits[i], row = row_of[visit];
    CHECK(row >= 0 && row < rows_used, "a visit of no row");
    inputs[i] = batch.rows.as<float>() + row * hidden;
    outputs[i] = out.as<float>() + visit * hidden;
    inner[i] = gate_rows[i] = &gates[i * std::size_t(width)];
    up_rows[i] = &ups[i * std::size_t(width)];
  }
  std::vector<Product> first, second;
  for (const auto& [begin, end] : grouping.groups) {
    const Expert& e = expert_at(local, expert[grouping.visits[begin]]);
    CHECK(e.gate.rows == width && e.up.rows == width && e.down.cols == width, "experts of unequal width");
    CHECK(e.gate.cols == hidden && e.up.cols == hidden && e.down.rows == hidden, "experts of another model");
    const auto count = std::int64_t(end - begin);
    first.push_back({&e.gate, whole(e.gate), &inputs[begin], &gate_rows[begin], count});
    first.push_back({&e.up, whole(e.up), &inputs[begin], &up_rows[begin], count});
    second.push_back({&e.down, local.shards, &inner[begin], &outputs[begin], count});
  }
  multiply(pool_, first);
  silu_mul(queue, Tensor(gates.get(), DType::f32, {std::int64_t(visits), width}),
           Tensor(ups.get(), DType::f32, {std::int64_t(visits), width}));
  multiply(pool_, second);
}

}  // namespace troupe::kernels
