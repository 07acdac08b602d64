#include "transport/host/communicator.hpp"

#include <cstring>

#include "tests/error_of.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/host/shared_memory_ranks.hpp"
#include "tests/transport/host/tcp_ranks.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::transport {
namespace {

using testing::Each;
using testing::HasSubstr;

Ranks thread_ranks(int ranks) {
  const ThreadsMesh mesh(ranks);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank) communicators.push_back(mesh.communicator(rank));
  return communicators;
}

// What every rank has after sums, gathers, and ways to the experts and back, of any sizes.
std::vector<std::vector<float>> results_of(Ranks ranks, unsigned seed) {
  constexpr std::int64_t hidden = conformance_hidden;
  std::vector<std::vector<float>> results(ranks.size());
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    std::mt19937 random(seed);  // the same on all ranks
    const unsigned own_seed = seed * 64 + unsigned(rank.rank());
    std::vector<float>& result = results[std::size_t(rank.rank())];
    const auto keep = [&](const std::vector<float>& values) {
      result.insert(result.end(), values.begin(), values.end());
    };
    // Around what goes in one round, and any.
    for (const std::int64_t count : {3, 2047, 2048, 2049, 16384, 16385, int(random() % 400'000)}) {
      std::vector<float> x = rough_values(own_seed, std::size_t(count));
      rank.all_reduce(queue(), view(x, 1, count));
      keep(x);
    }
    const std::int64_t rows = random() % 3000;
    std::vector<float> mine = rough_values(own_seed, std::size_t(rows * 3)), all(mine.size() * ranks.size());
    rank.all_gather(queue(), view(mine, rows, 3), view(all, rows * rank.size(), 3));
    keep(all);
    const std::int64_t most_tokens = 1 + random() % 2000, per_token = 1 + random() % 6;
    std::mt19937 own(own_seed);
    RoutedTokens tokens = routed_tokens(own_seed, own() % most_tokens, per_token, 19);
    OwnedBatch batch(most_tokens * rank.size() * per_token);
    rank.dispatch(queue(), view(tokens.rows, tokens.count, hidden),
                  {view(tokens.experts, tokens.count, per_token), {}},
                  ExpertPlacement::spread(19, rank.size()), batch.batch);
    keep(batch.rows);
    for (const std::int32_t expert : batch.experts) result.push_back(float(expert));
    std::vector<float> back(tokens.experts.size() * std::size_t(hidden));
    rank.combine(queue(), batch.batch.rows, view(back, tokens.count * per_token, hidden));
    keep(back);
  });
  EXPECT_THAT(errors, Each(""));
  return results;
}

TEST(HostCommunicator, GivesTheSameBytesOverAllMeshes) {
  for (const int ranks : {1, 2, 4, 8})
    for (unsigned seed = 0; seed < 4; ++seed) {
      const auto threads = results_of(thread_ranks(ranks), seed);
      EXPECT_TRUE(threads == results_of(tcp_ranks(ranks, patience), seed))
          << ranks << " ranks, seed " << seed;
      EXPECT_TRUE(threads == results_of(shared_memory_ranks(ranks, patience), seed))
          << ranks << " ranks, seed " << seed;
    }
}

// Rank 0 of two, whose peer sends what the test says.
class ScriptedMesh final : public Mesh {
 public:
  explicit ScriptedMesh(std::vector<std::byte> letter) : Mesh(0, 2, patience), letter_(std::move(letter)) {}
  ~ScriptedMesh() override { leave(); }
  std::size_t cheap_bytes() const override { return 0; }

 private:
  void swap_messages(Message, std::span<const Bytes>, const Room& room, TimePoint) override {
    std::byte* const to = room(1, letter_.size());
    std::memcpy(to, letter_.data(), letter_.size());
  }
  void end(std::string_view) noexcept override {}

  const std::vector<std::byte> letter_;
};

// A dispatch's message: visits, tokens, bytes of a row; then what follows.
std::vector<std::byte> letter(const std::vector<std::int64_t>& counts,
                              const std::vector<std::int32_t>& visits, std::size_t rows) {
  std::vector<std::byte> bytes(counts.size() * 8 + visits.size() * 4 +
                               rows * conformance_hidden * sizeof(float));
  std::memcpy(bytes.data(), counts.data(), counts.size() * 8);
  if (!visits.empty()) std::memcpy(bytes.data() + counts.size() * 8, visits.data(), visits.size() * 4);
  return bytes;
}

TEST(HostCommunicator, DoesNotTrustWhatADispatchBrings) {
  constexpr std::int64_t row = conformance_hidden * sizeof(float), most = std::int64_t(1) << 62;
  const auto error = [](std::vector<std::byte> bytes) {
    const auto rank = host_communicator(std::make_unique<ScriptedMesh>(std::move(bytes)));
    RoutedTokens none = routed_tokens(0, 0, 2, 4);
    OwnedBatch batch(3);
    const auto dispatch = [&] {
      rank->dispatch(queue(), view(none.rows, 0, conformance_hidden), {view(none.experts, 0, 2), {}},
                     ExpertPlacement::spread(4, 2), batch.batch);
    };
    const std::string first = error_of(dispatch);
    if (first != "no error") {
      EXPECT_EQ(error_of(dispatch), first);  // the epoch is over
    }
    return first;
  };
  EXPECT_EQ(error(letter({2, 1, row}, {0, 0, 1, 0}, 1)), "no error");
  EXPECT_THAT(error({}), HasSubstr("brings more rows than there is room for"));
  EXPECT_THAT(error(letter({9, 9, row}, std::vector<std::int32_t>(18), 9)), HasSubstr("room for"));
  EXPECT_THAT(error(letter({4, 1, row}, std::vector<std::int32_t>(8), 1)), HasSubstr("room for"));
  EXPECT_THAT(error(letter({most, 1, row}, {0, 0}, 1)), HasSubstr("room for"));
  EXPECT_THAT(error(letter({2, 1, row - 4}, {0, 0, 1, 0}, 1)), HasSubstr("rows of another width"));
  EXPECT_THAT(error(letter({2, 2, row}, {0, 0, 1, 0}, 1)), HasSubstr("other rows than it says"));
  EXPECT_THAT(error(letter({1, 2, row}, {0, 0}, 2)), HasSubstr("other rows than it says"));
  EXPECT_THAT(error(letter({-1, -1, row}, {0, 0}, 1)), HasSubstr("other rows than it says"));
  EXPECT_THAT(error(letter({1, -most, row}, {0, 0}, 1)), HasSubstr("other rows than it says"));
  EXPECT_THAT(error(letter({1, 1, row}, {0, 1}, 1)), HasSubstr("names a token that it did not bring"));
  EXPECT_THAT(error(letter({1, 1, row}, {0, -1}, 1)), HasSubstr("names a token that it did not bring"));
  for (const std::int32_t expert : {-1, 3, 4, 1 << 30})
    EXPECT_THAT(error(letter({1, 1, row}, {expert, 0}, 1)), HasSubstr("asks for an expert that is not here"));
}

TEST(HostCommunicatorDeathTest, ChecksCapacityAndExperts) {
  const auto rank = ThreadsMesh(1).communicator(0);
  RoutedTokens tokens = routed_tokens(0, 2, 2, 4);
  const ExpertPlacement placement = ExpertPlacement::spread(4, 1);
  OwnedBatch small(3);
  const kernels::Routing routing{view(tokens.experts, 2, 2), {}};
  EXPECT_DEATH(
      rank->dispatch(queue(), view(tokens.rows, 2, conformance_hidden), routing, placement, small.batch),
      "capacity");
  tokens.experts[1] = 4;
  OwnedBatch large(4);
  EXPECT_DEATH(
      rank->dispatch(queue(), view(tokens.rows, 2, conformance_hidden), routing, placement, large.batch),
      "no expert");
}

}  // namespace
}  // namespace troupe::transport
