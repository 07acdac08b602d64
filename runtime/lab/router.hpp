// Which replica a request goes to. A router sees how much the replicas have to do, and what they were sent; it asks none of
// them. Owned by one thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/lab/trace.hpp"

namespace troupe::runtime::lab {

struct ReplicaLoad {
  std::int32_t requests = 0;        // that it has not answered to their end
  std::int64_t waiting_tokens = 0;  // of prompts whose first token has not come
  auto operator<=>(const ReplicaLoad&) const = default;
};

class Router {
 public:
  virtual ~Router() = default;
  // Of the replicas, by number; there is at least one.
  virtual std::size_t choose(const TraceRequest& request, std::span<const ReplicaLoad> replicas) = 0;
};

struct RouterSettings {
  std::uint64_t seed = 0;
  std::size_t replicas = 1;
  std::int32_t block_size = 16;   // tokens; prefixes are compared in whole blocks
  std::size_t cached_blocks = 0;  // that a replica has room for
};

// round_robin   one after the other
// least_loaded  who has the fewest requests, then the fewest tokens of prompts before it
// p2c           the less loaded of two that are drawn (Mitzenmacher, "The Power of Two Choices in Randomized Load
//               Balancing", IEEE TPDS 12(10), 2001)
// prefix_aware  who was sent the longest prefix of it before, if that is more than 0.3 of it and the loads are even; else the
//               least loaded (the cache_aware policy of SGLang's gateway, https://github.com/lightseekorg/smg,
//               docs/concepts/routing/cache-aware.md, with its thresholds; Preble, arXiv:2407.00023, weighs likewise what is
//               saved against what waits). Where it departs: blocks stand in for the radix tree.
// Throws Error that lists the known names.
std::unique_ptr<Router> make_router(const std::string& name, const RouterSettings& settings);
const std::vector<std::string>& router_names();

}  // namespace troupe::runtime::lab
