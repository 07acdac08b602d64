#include "runtime/lab/router.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/error_of.hpp"

namespace troupe::runtime::lab {
namespace {

using ::testing::ElementsAre;

const RouterSettings four{.seed = 1, .replicas = 4, .block_size = 4, .cached_blocks = 64};

TraceRequest prompt_of(std::vector<Passage> prompt) {
  return {.prompt = std::move(prompt), .output_tokens = 1};
}
const TraceRequest any = prompt_of({{1, 8}});

TEST(Router, RoundRobinTakesTurns) {
  const auto router = make_router("round_robin", four);
  const std::vector<ReplicaLoad> loads(4, {9, 9});
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 6; ++i) chosen.push_back(router->choose(any, loads));
  EXPECT_THAT(chosen, ElementsAre(0, 1, 2, 3, 0, 1));
}

TEST(Router, LeastLoadedGoesByRequestsThenByTokensThenByNumber) {
  const auto router = make_router("least_loaded", four);
  const auto chosen = [&](std::vector<ReplicaLoad> loads) { return router->choose(any, loads); };
  EXPECT_EQ(chosen({{3, 0}, {2, 90}, {5, 0}, {2, 80}}), 3u);
  EXPECT_EQ(chosen({{1, 5}, {1, 5}, {1, 5}, {1, 5}}), 0u);
}

// Balls into bins: the fullest has far less than with one choice (Mitzenmacher).
TEST(Router, TheBetterOfTwoIsEvenerThanOne) {
  const std::size_t bins = 64, balls = 64 * 64;
  const auto router = make_router("p2c", {.seed = 3, .replicas = bins});
  std::vector<ReplicaLoad> loads(bins);
  for (std::size_t i = 0; i < balls; ++i) ++loads[router->choose(any, loads)].requests;
  const auto [least, most] = std::ranges::minmax(loads);
  EXPECT_LE(most.requests, 64 + 6);
  EXPECT_GE(least.requests, 64 - 12);
  const std::vector<ReplicaLoad> one(1);
  EXPECT_EQ(make_router("p2c", {.replicas = 1})->choose(any, one), 0u);
}

TEST(Router, TwoChoicesAreDrawnByTheSeed) {
  const std::vector<ReplicaLoad> loads(4);
  const auto drawn = [&](std::uint64_t seed) {
    const auto router = make_router("p2c", {.seed = seed, .replicas = 4});
    std::vector<std::size_t> chosen;
    for (int i = 0; i < 40; ++i) chosen.push_back(router->choose(any, loads));
    return chosen;
  };
  EXPECT_EQ(drawn(5), drawn(5));
  EXPECT_NE(drawn(5), drawn(6));
}

TEST(Router, PrefixesBringRequestsBackToTheirReplica) {
  const auto router = make_router("prefix_aware", four);
  std::vector<ReplicaLoad> loads(4);
  EXPECT_EQ(router->choose(prompt_of({{7, 40}, {8, 10}}), loads), 0u);
  loads[0].requests = 5;
  EXPECT_EQ(router->choose(prompt_of({{9, 40}}), loads), 1u);
  EXPECT_EQ(router->choose(prompt_of({{7, 40}, {10, 20}}), loads), 0u) << "two thirds of it are there";
  EXPECT_EQ(router->choose(prompt_of({{7, 8}, {11, 52}}), loads), 1u) << "too little of it is";
  EXPECT_EQ(router->choose(prompt_of({{7, 38}, {12, 22}}), loads), 0u) << "whole blocks of a passage count";
}

TEST(Router, PrefixesCountForNothingIfLoadsAreUneven) {
  const auto router = make_router("prefix_aware", four);
  std::vector<ReplicaLoad> loads(4);
  const TraceRequest asked = prompt_of({{7, 40}});
  EXPECT_EQ(router->choose(asked, loads), 0u);
  loads[0].requests = 64;
  EXPECT_EQ(router->choose(asked, loads), 0u);
  loads[0].requests = 65;
  EXPECT_EQ(router->choose(asked, loads), 1u);
}

TEST(Router, PrefixesBeyondAReplicasRoomAreForgotten) {
  const auto router = make_router("prefix_aware", {.replicas = 2, .block_size = 4, .cached_blocks = 10});
  std::vector<ReplicaLoad> loads(2);
  EXPECT_EQ(router->choose(prompt_of({{7, 40}}), loads), 0u);
  EXPECT_EQ(router->choose(prompt_of({{8, 40}}), loads), 0u);
  loads[0].requests = 1;
  EXPECT_EQ(router->choose(prompt_of({{7, 40}}), loads), 1u);
}

TEST(Router, AnUnknownOneIsRefusedWithTheKnownOnes) {
  const std::string error = error_of([] { make_router("random", {}); });
  for (const std::string& name : router_names()) EXPECT_THAT(error, ::testing::HasSubstr(name));
}

}  // namespace
}  // namespace troupe::runtime::lab
