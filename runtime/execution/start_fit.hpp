// With which settings a rank would start whose memory is too short for those that it has. Nothing is allocated to find out. Any
// thread.
#pragma once

#include <functional>
#include <string>

#include "model/decoder.hpp"
#include "runtime/base/kv_budget.hpp"
#include "runtime/base/out_of_memory.hpp"
#include "runtime/base/speculation.hpp"
#include "runtime/base/start_settings.hpp"

namespace troupe::runtime {

struct StartFit {
  StartSettings asked;
  StartSettings alone;     // of each the largest that would do, the others as asked; 0: none alone
  StartSettings together;  // what --degrade takes; not known: nothing would do
};

// Sequences and tokens of a step are halved, a context is any number of whole blocks. For `together` first the sequences are
// halved, then a step's tokens, then the context is cut to what fits; one below shortest_context only when the first two
// cannot be halved any more. What turns out not to be needed stays as asked. It is called once memory was too short: where
// what was asked should have fitted, `together` is less of it all the same, so that trying again comes to an end.
constexpr std::int32_t shortest_context = 256;  // tokens
StartFit find_start_fit(const StartSettings& asked, std::int32_t block_size,
                        const std::function<bool(const StartSettings&)>& fits);

// "It would start with --max-num-batched-tokens 512, or with ..., ..." type: of the cache.
std::string sentence_of(const StartFit& fit, kernels::CacheType type);

// What a rank's memory is reckoned from. The references outlive it.
struct RankStart {
  const model::Checkpoint& checkpoint;
  kernels::Ops& ops;
  model::ShardingPlan sharding;
  model::DecoderLimits limits;  // their prediction and type of cache
  KvBudget cache;
  std::int32_t block_size = 0;
  Speculation speculation{};
  std::size_t besides = 0;  // bytes in use of the device, without weights and workspace
};
// Weights, workspace and the cache of one full sequence fit.
bool fits(const RankStart& rank, const StartSettings& settings);

// A server that cannot start, with what would fit.
class DoesNotFit : public OutOfMemory {
 public:
  DoesNotFit(const OutOfMemory& why, const StartFit& found, kernels::CacheType type)
      : OutOfMemory(std::string(why.what()) + ". " + sentence_of(found, type), ""), fit(found) {}

  const StartFit fit;
};

}  // namespace troupe::runtime
