#include "transport/ticking_communicator.hpp"

#include "tests/transport/conformance.hpp"
#include "transport/host/threads_mesh.hpp"

namespace troupe::transport {
namespace {

Ranks ticking_ranks(int ranks, Duration timeout) {
  static TickBoard boards[max_thread_ranks];
  const ThreadsMesh mesh(ranks, timeout);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank)
    communicators.push_back(
        std::make_unique<TickingCommunicator>(mesh.communicator(rank), boards[std::size_t(rank)]));
  return communicators;
}

// It is a communicator like any other.
INSTANTIATE_TEST_SUITE_P(Ticking, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"Ticking", ticking_ranks}),
                                          testing::Values(2)),
                         conformance_name);

TEST(TickingCommunicator, SaysThatItsRankWaitsWhileAPeerIsMissing) {
  const ThreadsMesh mesh(2);
  const auto peer = mesh.communicator(1);
  TickBoard board;
  board.begin_step(3, 9);
  const ExpertPlacement placement{{{1}}};  // the peer's
  const std::function<void(Communicator&)> calls[] = {
      [&](Communicator& rank) {
        std::vector<float> x(4, 1);
        rank.all_reduce(queue(), view(x, 1, 4));
      },
      [&](Communicator& rank) {
        std::vector<float> x(4, 1), all(8);
        rank.all_gather(queue(), view(x, 1, 4), view(all, 2, 4));
      },
      [&](Communicator& rank) {
        std::vector<float> row(conformance_hidden, 1);
        std::vector<std::int32_t> expert{0};
        OwnedBatch batch(2);
        rank.dispatch(queue(), view(row, 1, conformance_hidden), {view(expert, 1, 1), {}}, placement,
                      batch.batch);
      },
      [&](Communicator& rank) {
        std::vector<float> results(2 * conformance_hidden), out(conformance_hidden);
        rank.combine(queue(), view(results, 2, conformance_hidden), view(out, 1, conformance_hidden));
      },
  };
  std::uint64_t before = board.count;
  std::jthread waiting([&] {
    TickingCommunicator rank(mesh.communicator(0), board);
    for (const auto& call : calls) call(rank);
  });
  const Collective order[] = {Collective::all_reduce, Collective::all_gather, Collective::dispatch,
                              Collective::combine};
  for (std::uint32_t i = 0; i < 4; ++i) {
    while (board.collectives != i + 1 || board.activity != Activity::collective || board.count == before)
      std::this_thread::yield();
    EXPECT_EQ(board.collective, order[i]) << to_string(board.collective);
    before = board.count;
    calls[i](*peer);  // only now can it go on
  }
  waiting.join();
  EXPECT_EQ(board.activity, Activity::computing);
  EXPECT_EQ(board.collective, Collective::none);
  EXPECT_EQ(board.step, 9u);
}

TEST(TickingCommunicator, LeavesTheCollectiveThatFails) {
  TickBoard board;
  TickingCommunicator rank(ThreadsMesh(2).communicator(0), board);
  rank.abort();
  std::vector<float> x(4);
  EXPECT_THROW(rank.all_reduce(queue(), view(x, 1, 4)), Error);
  EXPECT_EQ(board.collectives, 1u);
  EXPECT_EQ(board.activity, Activity::computing);
}

}  // namespace
}  // namespace troupe::transport
