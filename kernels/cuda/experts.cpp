#include "kernels/cuda/experts.hpp"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "kernels/chain.hpp"
#include "kernels/cuda/cuda_ops.hpp"
#include "kernels/cuda/elementwise.hpp"
#include "kernels/weights.hpp"

namespace troupe::kernels::cuda {
namespace {

// What CudaOps::expert_table makes: lists in the device's memory, by place.
struct ExpertTable {
  std::shared_ptr<void> memory;
  const Weight *gate = nullptr, *up = nullptr, *down = nullptr;
  const std::int32_t* place_of = nullptr;  // [experts of the model]
};

// Pieces of one memory, one after another.
class Pieces {
 public:
  template <class T>
  std::size_t add(std::size_t n) {
    constexpr std::size_t alignment = 64;
    const std::size_t at = bytes_;
    bytes_ += (n * sizeof(T) + alignment - 1) / alignment * alignment;
    return at;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

void check_experts(const ExpertWeights& local, std::int64_t hidden) {
  CHECK(local.place_of.size() <= OrderVisits::most_experts, "more experts than the kernel's memory");
  for (const std::int32_t place : local.place_of)
    CHECK(place < std::ssize(local.experts), "a place without an expert");
  for (const Expert& e : local.experts) {
    const Weight& gate = local.experts.front().gate;
    CHECK(e.gate.rows == gate.rows && e.up.rows == gate.rows && e.down.cols == gate.rows,
          "experts of unequal width");
    CHECK(e.gate.cols == hidden && e.up.cols == hidden && e.down.rows == hidden, "experts of another model");
  }
}

// Those that these matrices of the experts have, each once. Checkpoints leave some experts as they were and quantise others.
std::vector<DType> types_of(std::span<const Expert> experts,
                            std::initializer_list<Weight Expert::*> matrices) {
  std::vector<DType> types;
  for (const Expert& e : experts)
    for (const auto matrix : matrices)
      if (const DType type = (e.*matrix).dtype; std::ranges::find(types, type) == types.end())
        types.push_back(type);
  return types;
}

}  // namespace

std::shared_ptr<const void> CudaOps::expert_table(const ExpertWeights& local) {
  const std::size_t n = local.experts.size();
  Pieces pieces;
  const std::size_t weights = pieces.add<Weight>(3 * n),
                    places = pieces.add<std::int32_t>(local.place_of.size());
  std::vector<Weight> lists(3 * n);
  for (std::size_t i = 0; i < n; ++i) {
    lists[i] = local.experts[i].gate;
    lists[n + i] = local.experts[i].up;
    lists[2 * n + i] = local.experts[i].down;
  }
  auto table = std::make_shared<ExpertTable>();
  table->memory = gpu_->allocate(pieces.bytes());
  auto* const memory = static_cast<std::byte*>(table->memory.get());
  table->gate = reinterpret_cast<const Weight*>(memory + weights);
  table->up = table->gate + n;
  table->down = table->gate + 2 * n;
  table->place_of = reinterpret_cast<const std::int32_t*>(memory + places);
  gpu_->upload(memory + weights, lists.data(), lists.size() * sizeof(Weight));
  gpu_->upload(memory + places, local.place_of.data(), local.place_of.size_bytes());
  return table;
}

void CudaOps::list_visits(Queue& queue, const Routing& routing, ExpertBatch& out) {
  const std::int64_t tokens = routing.experts.rows(), slots = routing.experts.row_elements();
  CHECK(tokens <= out.rows.rows(), "an expert batch of other tokens");
  CHECK(tokens * slots <= out.visit_rows.elements() && tokens * slots <= out.visit_experts.elements(),
        "an expert batch of too little capacity");
  const ListVisits k{.experts = routing.experts.as<std::int32_t>(),
                     .tokens = tokens,
                     .slots = slots,
                     .visit_rows = out.visit_rows.as<std::int32_t>(),
                     .visit_experts = out.visit_experts.as<std::int32_t>(),
                     .counts = out.counts.as<std::int32_t>()};
  stream_of(queue).launch(blocks_of<ListVisits>(std::max<std::int64_t>(tokens * slots, 1)), k);
}

void CudaOps::experts(Queue& queue, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) {
  CudaQueue& stream = stream_of(queue);
  const std::int64_t visits = batch.visit_experts.elements(), hidden = batch.rows.row_elements();
  CHECK(batch.visit_rows.elements() == visits && out.rows() >= visits && out.row_elements() == hidden,
        "shapes of experts");
  CHECK(local.table != nullptr, "experts without a table");
  check_experts(local, hidden);
  const auto& table = *static_cast<const ExpertTable*>(local.table);
  const auto* const visit_rows = batch.visit_rows.as<std::int32_t>();
  const auto* const visit_experts = batch.visit_experts.as<std::int32_t>();
  const auto* const counts = batch.counts.as<std::int32_t>();
  stream.launch({.x = visits}, ZeroElsewhere{.visit_experts = visit_experts,
                                             .counts = counts,
                                             .place_of = table.place_of,
                                             .out = out.as<float>(),
                                             .n = hidden});
  if (local.experts.empty() || visits == 0) return;

  const Expert& first = local.experts.front();
  const std::int64_t width = first.gate.rows;  // intermediate columns of this rank
  const std::int64_t tiles = std::min(visits, visits / product_tokens + std::ssize(local.experts));
  Pieces pieces;
  const std::size_t ordered = pieces.add<std::int32_t>(std::size_t(visits)),
                    rows = pieces.add<std::int32_t>(std::size_t(visits)),
                    tile_list = pieces.add<VisitTile>(std::size_t(tiles)), used = pieces.add<std::int32_t>(2),
                    gates = pieces.add<float>(std::size_t(visits * width)),
                    ups = pieces.add<float>(std::size_t(visits * width));
  auto* const memory = static_cast<std::byte*>(stream.workspace(pieces.bytes()));
  auto* const gate = reinterpret_cast<float*>(memory + gates);
  auto* const up = reinterpret_cast<float*>(memory + ups);
  const VisitOrder order{.visits = reinterpret_cast<std::int32_t*>(memory + ordered),
                         .rows = reinterpret_cast<std::int32_t*>(memory + rows),
                         .tiles = reinterpret_cast<VisitTile*>(memory + tile_list),
                         .counts = reinterpret_cast<std::int32_t*>(memory + used)};
  stream.launch({}, OrderVisits{.visit_rows = visit_rows,
                                .visit_experts = visit_experts,
                                .counts = counts,
                                .rows = batch.rows.rows(),
                                .visits = visits,
                                .place_of = table.place_of,
                                .experts = int(local.place_of.size()),
                                .order = order});
  const auto blocks = [](std::int64_t n) { return (n + product_threads - 1) / product_threads; };
  for (const DType type : types_of(local.experts, {&Expert::gate, &Expert::up}))
    stream.launch({.x = blocks(width), .y = tiles, .z = 2}, MultiplyExperts{.dtype = type,
                                                                            .weights = {table.gate, table.up},
                                                                            .shards = whole(first.gate),
                                                                            .order = order,
                                                                            .x_rows = order.rows,
                                                                            .out_rows = nullptr,
                                                                            .x = batch.rows.as<float>(),
                                                                            .x_width = hidden,
                                                                            .out = {gate, up},
                                                                            .out_width = width});
  stream.launch(
      blocks_of<SiluMul>(visits * width),
      SiluMul{.gate = gate, .up = up, .elements = visits * width, .rows = order.counts, .width = width});
  for (const DType type : types_of(local.experts, {&Expert::down}))
    stream.launch({.x = blocks(hidden), .y = tiles}, MultiplyExperts{.dtype = type,
                                                                     .weights = {table.down, nullptr},
                                                                     .shards = local.shards,
                                                                     .order = order,
                                                                     .x_rows = nullptr,
                                                                     .out_rows = order.visits,
                                                                     .x = gate,
                                                                     .x_width = width,
                                                                     .out = {out.as<float>(), nullptr},
                                                                     .out_width = hidden});
}

}  // namespace troupe::kernels::cuda
