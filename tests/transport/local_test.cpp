#include "transport/local/local.hpp"

#include "tests/transport/conformance.hpp"

namespace troupe::transport {
namespace {

using testing::AnyOf;
using testing::Each;
using testing::HasSubstr;

Ranks local_ranks(int ranks, Duration timeout) {
  const LocalMesh mesh(ranks, timeout);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank) communicators.push_back(mesh.communicator(rank));
  return communicators;
}

INSTANTIATE_TEST_SUITE_P(Local, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"Local", local_ranks}),
                                          testing::Values(1, 2, 4, 8)),
                         conformance_name);

TEST(LocalMesh, AnAbortedWaitNamesWhoWasMissing) {
  Ranks ranks = local_ranks(2, patience);
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    if (rank.rank() == 1) return rank.abort();
    std::vector<float> x(2);
    rank.all_reduce(queue(), view(x, 1, 2));
  });
  // Rank 1 may have aborted before rank 0 began to wait.
  EXPECT_THAT(errors[0], AnyOf(HasSubstr("all_reduce: aborted before rank 1 arrived"),
                               HasSubstr("all_reduce: the epoch was aborted")));
}

TEST(LocalMesh, HoldsUpToItsLimit) {
  EXPECT_EQ(LocalMesh(max_local_ranks).communicator(max_local_ranks - 1)->size(), max_local_ranks);
}

TEST(LocalMesh, TellsRanksInDifferentCollectives) {
  Ranks ranks = local_ranks(2, patience);
  const auto errors = run_ranks(ranks, [](Communicator& rank) {
    std::vector<float> x(2), all(4);
    if (rank.rank() == 0) {
      rank.all_reduce(queue(), view(x, 1, 2));
    } else {
      rank.all_gather(queue(), view(x, 1, 2), view(all, 2, 2));
    }
  });
  EXPECT_THAT(errors, Each(HasSubstr(" is in all_")));
}

TEST(LocalMesh, TellsRanksWithDifferentShapes) {
  Ranks ranks = local_ranks(2, patience);
  const auto errors = run_ranks(ranks, [](Communicator& rank) {
    std::vector<float> x(8);
    rank.all_reduce(queue(), view(x, 1, 4 + rank.rank()));
  });
  EXPECT_THAT(errors, Each(HasSubstr("all_reduce: ranks bring tensors of different sizes")));
}

TEST(LocalMeshDeathTest, ChecksItsUse) {
  EXPECT_DEATH(LocalMesh(3), "power of two");
  EXPECT_DEATH(LocalMesh(0), "power of two");
  EXPECT_DEATH(LocalMesh(2 * max_local_ranks), "power of two");
  const LocalMesh mesh(2);
  EXPECT_DEATH(mesh.communicator(2), "joins an epoch once");
  const auto first = mesh.communicator(0);
  EXPECT_DEATH(mesh.communicator(0), "joins an epoch once");
}

TEST(LocalMeshDeathTest, ChecksCapacityAndExperts) {
  const auto rank = LocalMesh(1).communicator(0);
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
