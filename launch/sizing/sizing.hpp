// How many sequences a model has room for, by layout and by machine: a rank's memory as the server's own functions tell
// it, put into the memory of GPUs that need not be there. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "launch/sizing/gpus.hpp"
#include "model/checkpoint/checkpoint.hpp"
#include "model/decoder.hpp"

namespace troupe::launch::sizing {

// Assumed, of each GPU: CUDA's context and the kernels' code, NCCL's buffers, captured graphs, and what kernels work in
// besides the decoder's workspace.
constexpr std::size_t device_overhead = 4'000'000'000;

// What the server would be started with.
struct Deployment {
  model::DecoderLimits limits;  // max_positions: the length of a sequence
  std::int32_t block_size = 16;
  double memory_utilization = 0.9;  // of each GPU's memory
  int virtual_shards = 16;
  int expert_shards = 0;  // as in ShardingPlan
  std::size_t overhead = device_overhead;
};

struct Layout {
  model::ShardingPlan plan{};     // of the rank that takes the most
  std::string refusal{};          // why the model cannot be cut so; empty: it can, and what follows is known
  model::DecoderMemory memory{};  // of that rank
  std::size_t cache_per_token = 0;  // bytes of each rank
};
// "-tp 8 -dp 2 -ep"
std::string flags_of(const model::ShardingPlan& plan);

// A number of GPUs, and the layout by which most sequences fit there.
struct Choice {
  const Gpu* gpu = nullptr;
  std::int32_t gpus = 0;
  Layout layout{};
  std::int64_t sequences = 0;
};

class Sizing {
 public:
  // The checkpoint, which may be an outline, outlives it.
  Sizing(const model::Checkpoint& checkpoint, const Deployment& deployment);
  ~Sizing();

  // All ways to lay it out over so many ranks, a power of two: the widest groups first. Kept once told. Throws Error for
  // what no layout can serve, such as sequences that are too long.
  const std::vector<Layout>& layouts(std::int32_t ranks);
  // The one of this plan, whatever its ranks. Throws Error likewise.
  Layout layout(const model::ShardingPlan& plan) const;
  // Bytes of each rank that are left for its cache.
  std::size_t left_for_cache(const Layout& layout, const Gpu& gpu) const;
  // Of full length, that fit at the same time, of all groups together; 0: the weights, or not even one, do not fit.
  std::int64_t sequences(const Layout& layout, const Gpu& gpu) const;
  // Of so many GPUs; nothing: not one sequence fits.
  std::optional<Choice> best(const Gpu& gpu, std::int32_t gpus);
  // The fewest of these GPUs that hold one sequence at least; nothing: more than those of most_hosts.
  std::optional<Choice> smallest(const Gpu& gpu);

 private:
  const model::Checkpoint& checkpoint_;
  const Deployment deployment_;
  const std::unique_ptr<kernels::Ops> ops_;
  std::map<std::int32_t, std::vector<Layout>> layouts_;  // by ranks
};

}  // namespace troupe::launch::sizing
