#include "runtime/lab/router.hpp"

#include <algorithm>
#include <cstring>
#include <random>

#include "runtime/base/error.hpp"
#include "runtime/scheduling/known_prefixes.hpp"

namespace troupe::runtime::lab {
namespace {

std::size_t least_loaded(std::span<const ReplicaLoad> replicas) {
  return std::size_t(std::ranges::min_element(replicas) - replicas.begin());
}

class RoundRobin final : public Router {
 public:
  std::size_t choose(const TraceRequest&, std::span<const ReplicaLoad> replicas) override {
    return next_++ % replicas.size();
  }

 private:
  std::size_t next_ = 0;
};

class LeastLoaded final : public Router {
 public:
  std::size_t choose(const TraceRequest&, std::span<const ReplicaLoad> replicas) override {
    return least_loaded(replicas);
  }
};

class PowerOfTwoChoices final : public Router {
 public:
  explicit PowerOfTwoChoices(std::uint64_t seed) : random_(seed) {}
  std::size_t choose(const TraceRequest&, std::span<const ReplicaLoad> replicas) override {
    if (replicas.size() == 1) return 0;
    const std::size_t first = random_() % replicas.size();
    const std::size_t second = (first + 1 + random_() % (replicas.size() - 1)) % replicas.size();
    return replicas[second] < replicas[first] ? second : first;
  }

 private:
  std::mt19937_64 random_;
};

class PrefixAware final : public Router {
 public:
  explicit PrefixAware(const RouterSettings& settings)
      : block_size_(settings.block_size), known_(settings.replicas) {
    for (KnownPrefixes& each : known_) each.limit(settings.cached_blocks);
  }

  std::size_t choose(const TraceRequest& request, std::span<const ReplicaLoad> replicas) override {
    name_blocks(request);
    const auto match = even(replicas) ? longest_match(replicas) : std::nullopt;
    const std::size_t chosen = match.value_or(least_loaded(replicas));
    // The start of it is forgotten last.
    for (auto each = blocks_.rbegin(); each != blocks_.rend(); ++each) known_[chosen].remember(*each);
    return chosen;
  }

 private:
  static constexpr double fewest_shared = 0.3;  // of the prompt
  static constexpr std::int32_t most_apart = 64;
  static constexpr double most_times = 1.5;

  static bool even(std::span<const ReplicaLoad> replicas) {
    const auto [least, most] = std::ranges::minmax(replicas, {}, &ReplicaLoad::requests);
    return most.requests - least.requests <= most_apart || most.requests <= most_times * least.requests;
  }

  // Who was sent most of the request before, if that is enough of it.
  std::optional<std::size_t> longest_match(std::span<const ReplicaLoad> replicas) const {
    std::optional<std::size_t> match;
    std::size_t longest = 0;
    for (std::size_t i = 0; i < replicas.size(); ++i) {
      const std::size_t shared = known_[i].length(blocks_);
      if (double(shared) <= fewest_shared * double(blocks_.size()) || shared < longest) continue;
      if (!match || shared > longest || replicas[i] < replicas[*match]) match = i;
      longest = shared;
    }
    return match;
  }

  // Each by all passages up to its end.
  void name_blocks(const TraceRequest& request) {
    blocks_.clear();
    std::uint64_t name = 0;
    std::int32_t filled = 0;  // of the block
    for (const Passage& passage : request.prompt)
      for (std::int32_t at = 0; at < passage.tokens;) {
        const std::int32_t tokens = std::min(block_size_ - filled, passage.tokens - at);
        name = mixed(mixed(name + passage.content) + std::uint64_t(at) * 0x9e3779b97f4a7c15u +
                     std::uint64_t(tokens));
        at += tokens;
        filled = (filled + tokens) % block_size_;
        if (filled > 0) continue;
        BlockHash& block = blocks_.emplace_back();
        std::memcpy(block.data(), &name, sizeof name);
      }
  }

  std::int32_t block_size_;
  std::vector<KnownPrefixes> known_;  // by replica
  std::vector<BlockHash> blocks_;     // of the request, kept for its memory
};

}  // namespace

const std::vector<std::string>& router_names() {
  static const std::vector<std::string> names{"round_robin", "least_loaded", "prefix_aware", "p2c"};
  return names;
}

std::unique_ptr<Router> make_router(const std::string& name, const RouterSettings& settings) {
  if (name == "round_robin") return std::make_unique<RoundRobin>();
  if (name == "least_loaded") return std::make_unique<LeastLoaded>();
  if (name == "prefix_aware") return std::make_unique<PrefixAware>(settings);
  if (name == "p2c") return std::make_unique<PowerOfTwoChoices>(settings.seed);
  std::string known;
  for (const std::string& each : router_names()) known += " " + each;
  throw Error("unknown router '" + name + "'", "", "known:" + known);
}

}  // namespace troupe::runtime::lab
