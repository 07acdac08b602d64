// How a model is cut over the ranks of a replica. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::model {

struct ModelConfig;

// Which part of the model a rank holds. Attention groups serve sequences of their own; the ranks of a group
// split heads, dense layers and vocabulary. Routed experts belong to the ranks of all groups together. Both
// numbers are powers of two. Who splits a sum has a virtual shard of it at least: tensor_parallel is at most
// virtual_shards, and all ranks are at most shards_of_expert(), unless experts are whole.
struct ShardingPlan {
  int rank = 0;             // of all: those of a group follow one another
  int tensor_parallel = 1;  // ranks of an attention group
  int data_parallel = 1;    // attention groups
  // Experts whole, spread over ranks; otherwise each expert is split over all ranks.
  bool expert_parallel = false;
  // Powers of two: the bytes of a result depend on them, not on ranks.
  int virtual_shards = 16;  // V, of the sums that the ranks of a group split
  int expert_shards = 0;    // of a routed expert's; 0: as many

  int ranks() const { return tensor_parallel * data_parallel; }
  int group() const { return rank / tensor_parallel; }
  int group_rank() const { return rank % tensor_parallel; }
  int shards_of_expert() const { return expert_shards == 0 ? virtual_shards : expert_shards; }
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ShardingPlan& x) {
  return f(x.rank, x.tensor_parallel, x.data_parallel, x.expert_parallel, x.virtual_shards, x.expert_shards);
}

// Refuses, with the numbers, to split so many things, such as "attention heads", unevenly over the ranks of a group.
Expected<void> check_even(std::int64_t count, std::string_view things, const ShardingPlan& plan);

// Refuses, with the numbers, a plan that the model cannot be cut by (heads not divisible by tensor_parallel,
// more ranks than experts...).
Expected<void> check_plan(const ModelConfig& config, const ShardingPlan& plan);

}  // namespace troupe::model
