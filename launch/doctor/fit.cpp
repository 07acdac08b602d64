#include "launch/doctor/fit.hpp"

#include "launch/doctor/amount.hpp"
#include "runtime/execution/kv_size.hpp"

namespace troupe::launch::doctor {
namespace {

using sizing::Deployment;
using sizing::Layout;
using sizing::Sizing;

constexpr std::int64_t least_context = 256;  // that is tried: shorter ones serve nobody
constexpr std::int64_t least_step = 512;     // tokens, likewise

// What is left for the cache, and how many sequences of full length it holds.
struct Room {
  Layout layout{};
  std::size_t left = 0;
  std::int64_t sequences = 0;
};

Room room_of(const model::Checkpoint& checkpoint, const Deployment& deployment,
             const model::ShardingPlan& wanted, std::uint64_t memory) {
  Sizing sizing(checkpoint, deployment);
  const sizing::Gpu place{.name = {}, .title = {}, .memory = memory};
  const bool experts = checkpoint.config().n_routed_experts > 0 && wanted.ranks() > 1;
  const Layout layout = sizing.layout({.tensor_parallel = wanted.tensor_parallel,
                                       .data_parallel = wanted.data_parallel,
                                       .expert_parallel = experts && wanted.expert_parallel});
  if (!layout.refusal.empty()) return {layout};
  return {layout, sizing.left_for_cache(layout, place), sizing.sequences(layout, place)};
}

std::string count(std::int64_t n, const std::string& thing) {
  return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

std::string parts_of(const Room& room, const FitQuestion& question) {
  const model::DecoderMemory& memory = room.layout.memory;
  return amount(question.memory_of_rank) + " a rank (" + question.memory_from + "), " +
         percent(question.deployment.memory_utilization) + " of it to be used: weights " +
         amount(memory.weights) + ", workspace " + amount(memory.workspace) + ", " +
         (question.deployment.overhead > 0
              ? "CUDA and NCCL " + amount(question.deployment.overhead) + " (assumed), "
              : "") +
         "cache " + amount(room.left) + " at " + std::to_string(room.layout.cache_per_token) +
         " bytes a token";
}

// Settings, one changed at a time, by which at least one sequence fits.
class Remedies {
 public:
  Remedies(const model::Checkpoint& checkpoint, const FitQuestion& question)
      : checkpoint_(checkpoint), question_(question) {}

  std::string text() {
    try_shorter_sequences();
    try_smaller_cache();
    try_more_of_the_memory();
    try_smaller_steps();
    try_more_ranks();
    return all_.empty() ? machines() : all_;
  }

 private:
  bool fits(const Deployment& deployment, const model::ShardingPlan& layout) const {
    return room_of(checkpoint_, deployment, layout, question_.memory_of_rank).sequences > 0;
  }
  bool fits(const Deployment& deployment) const { return fits(deployment, question_.layout); }
  void add(const std::string& flag) { all_ += (all_.empty() ? "" : ", or ") + flag; }

  void try_shorter_sequences() {
    Deployment shorter = question_.deployment;
    for (auto& context = shorter.limits.max_positions; context / 2 >= least_context;) {
      context /= 2;
      shorter.limits.cache_type = runtime::kv_cache_type(question_.cache_dtype, context);
      if (fits(shorter)) return add("--max-model-len " + std::to_string(context));
    }
  }
  void try_smaller_cache() {
    Deployment smaller = question_.deployment;
    for (const auto type : {kernels::CacheType::bf16, kernels::CacheType::fp8}) {
      if (type <= question_.deployment.limits.cache_type) continue;
      smaller.limits.cache_type = type;
      if (fits(smaller)) return add("--kv-cache-dtype " + std::string(kernels::name_of(type)));
    }
  }
  void try_more_of_the_memory() {
    Deployment more = question_.deployment;
    more.memory_utilization = question_.gpus > 0 ? 0.95 : 0.8;  // of a host, which others need too
    if (more.memory_utilization > question_.deployment.memory_utilization && fits(more))
      add("--gpu-memory-utilization " + number(more.memory_utilization));
  }
  void try_smaller_steps() {
    Deployment smaller = question_.deployment;
    for (auto& tokens = smaller.limits.max_tokens; tokens / 2 >= least_step;) {
      tokens /= 2;
      if (fits(smaller)) return add("--max-num-batched-tokens " + std::to_string(tokens));
    }
  }
  void try_more_ranks() {
    model::ShardingPlan wider = question_.layout;
    while (wider.ranks() * 2 <= question_.gpus) {
      wider.tensor_parallel *= 2;
      if (fits(question_.deployment, wider)) return add(sizing::flags_of(wider));
    }
  }
  // A host's share of its memory says nothing of GPUs.
  std::string machines() const {
    std::string text;
    Deployment there = question_.deployment;
    if (question_.gpus == 0) {
      there.memory_utilization = Deployment().memory_utilization;
      there.overhead = sizing::device_overhead;
    }
    Sizing sizing(checkpoint_, there);
    for (const sizing::Gpu& kind : sizing::known_gpus())
      if (const auto choice = sizing.smallest(kind))
        text += (text.empty() ? "a larger machine: " : ", or ") + std::to_string(choice->gpus) + " x " +
                std::string(kind.title) + " with " + sizing::flags_of(choice->layout.plan);
    return text.empty() ? "a smaller model, or a quantised one: see troupe convert" : text;
  }

  const model::Checkpoint& checkpoint_;
  const FitQuestion& question_;
  std::string all_;
};

}  // namespace

Findings of_fit(const model::Checkpoint& checkpoint, const FitQuestion& question) {
  const Room room = room_of(checkpoint, question.deployment, question.layout, question.memory_of_rank);
  const std::string what = checkpoint.name() + " with " + sizing::flags_of(question.layout);
  if (!room.layout.refusal.empty())
    return {{Severity::critical, "fit", what + " cannot be cut so.", room.layout.refusal,
             "other -tp, -dp, --virtual-shards or --expert-shards"}};
  const std::string sequence = "of " + count(question.deployment.limits.max_positions, "token");
  if (room.sequences > 0)
    return {{Severity::note, "fit",
             what + " fits, beside " + count(room.sequences, "sequence") + " " + sequence + ".",
             parts_of(room, question), ""}};
  return {{Severity::critical, "fit", what + " does not fit beside a sequence " + sequence + ".",
           parts_of(room, question), Remedies(checkpoint, question).text(), "out-of-memory"}};
}

}  // namespace troupe::launch::doctor
