#include "transport/host/communicator.hpp"

#include <cstring>

#include "tests/error_of.hpp"
#include "tests/transport/collective_results.hpp"
#include "tests/transport/host/shared_memory_ranks.hpp"
#include "tests/transport/host/tcp_ranks.hpp"
#include "tests/transport/host/thread_ranks.hpp"

namespace troupe::transport {
namespace {

using testing::HasSubstr;

TEST(HostCommunicator, GivesTheSameBytesOverAllMeshes) {
  const Sizes sizes{.sums = {3, 2047, 2048, 2049, 16384, 16385},  // around what goes in one round
                    .longest_sum = 400'000,
                    .gathered_rows = 3000,
                    .tokens = 2000};
  for (const int ranks : {1, 2, 4, 8})
    for (unsigned seed = 0; seed < 4; ++seed) {
      const auto threads = results_of(thread_ranks(ranks), seed, sizes);
      EXPECT_TRUE(threads == results_of(tcp_ranks(ranks, patience), seed, sizes))
          << ranks << " ranks, seed " << seed;
      EXPECT_TRUE(threads == results_of(shared_memory_ranks(ranks, patience), seed, sizes))
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
    OwnedBatch batch(2, 3);
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
  EXPECT_THAT(error(letter({3, 3, row}, std::vector<std::int32_t>(6), 3)), HasSubstr("room for"));
  EXPECT_THAT(error(letter({3, 3, row}, std::vector<std::int32_t>(6), 2)), HasSubstr("room for"));
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
  OwnedBatch few_visits(2, 3), few_rows(1, 4);
  const kernels::Routing routing{view(tokens.experts, 2, 2), {}};
  EXPECT_DEATH(
      rank->dispatch(queue(), view(tokens.rows, 2, conformance_hidden), routing, placement, few_visits.batch),
      "more visits than the batch's capacity");
  EXPECT_DEATH(
      rank->dispatch(queue(), view(tokens.rows, 2, conformance_hidden), routing, placement, few_rows.batch),
      "more rows than the batch's capacity");
  tokens.experts[1] = 4;
  OwnedBatch large(2, 4);
  EXPECT_DEATH(
      rank->dispatch(queue(), view(tokens.rows, 2, conformance_hidden), routing, placement, large.batch),
      "no expert");
}

}  // namespace
}  // namespace troupe::transport
