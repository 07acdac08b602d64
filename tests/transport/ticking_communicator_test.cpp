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
        OwnedBatch batch(2, 2);
        rank.dispatch(queue(), view(row, 1, conformance_hidden), {view(expert, 1, 1), {}}, placement,
                      batch.batch);
      },
      [&](Communicator& rank) {
        std::vector<float> results(2 * conformance_hidden), out(conformance_hidden);
        rank.combine(queue(), view(results, 2, conformance_hidden), view(out, 1, conformance_hidden));
      },
  };
  std::uint64_t before = board.read().count;
  std::jthread waiting([&] {
    TickingCommunicator rank(mesh.communicator(0), board);
    for (const auto& call : calls) call(rank);
  });
  const Collective order[] = {Collective::all_reduce, Collective::all_gather, Collective::dispatch,
                              Collective::combine};
  for (std::uint32_t i = 0; i < 4; ++i) {
    Tick tick = board.read();
    for (; tick.collectives != i + 1 || tick.activity != Activity::collective; tick = board.read())
      std::this_thread::yield();
    EXPECT_EQ(tick.collective, order[i]) << to_string(tick.collective);
    EXPECT_NE(tick.count, before);
    before = tick.count;
    calls[i](*peer);  // only now can it go on
  }
  waiting.join();
  EXPECT_EQ(board.read().activity, Activity::computing);
  EXPECT_EQ(board.read().collective, Collective::none);
  EXPECT_EQ(board.read().step, 9u);
}

TEST(TickingCommunicator, LeavesTheCollectiveThatFails) {
  TickBoard board;
  board.begin_step(3, 9);
  TickingCommunicator rank(ThreadsMesh(2).communicator(0), board);
  rank.check();
  rank.abort();
  std::vector<float> x(4);
  EXPECT_THROW(rank.all_reduce(queue(), view(x, 1, 4)), Error);
  EXPECT_EQ(board.read().collectives, 1u);
  EXPECT_EQ(board.read().activity, Activity::computing);
  EXPECT_THROW(rank.check(), PeerError);
}

// A rank's own device is no peer.
TEST(TickingCommunicator, PassesOnThatItsDeviceHasFailed) {
  class Broken final : public kernels::Queue {
   public:
    void wait(TimePoint) override {}
    void set(std::atomic<std::uint64_t>&, std::uint64_t) override {
      if (sound-- <= 0) throw DeviceError({DeviceFaultKind::ecc, "add"}, "ECC", "add");
    }
    int sound = 0;
  };
  TickBoard board;
  TickingCommunicator rank(ThreadsMesh(1).communicator(0), board);
  Broken queue;
  std::vector<float> x(4);
  EXPECT_THROW(rank.all_reduce(queue, view(x, 1, 4)), DeviceError);
  queue.sound = 1;  // it fails while the collective ends
  EXPECT_NO_THROW(rank.all_reduce(queue, view(x, 1, 4)));
}

// A queue that is behind the host, as a device's.
class LateQueue final : public kernels::Queue {
 public:
  void wait(TimePoint) override {}
  void set(std::atomic<std::uint64_t>& to, std::uint64_t value) override { writes.push_back({&to, value}); }

  struct Write {
    std::atomic<std::uint64_t>* to;
    std::uint64_t value;
  };
  std::vector<Write> writes;
};

TEST(TickingCommunicator, SaysOfACollectiveWhatItsQueueHasReached) {
  TickBoard board;
  board.begin_step(3, 9);
  TickingCommunicator rank(ThreadsMesh(1).communicator(0), board);
  LateQueue device;
  std::vector<float> x(4);
  device.set(board.place, board.at_layer(7));
  for (int i = 0; i < 2; ++i) rank.all_reduce(device, view(x, 1, 4));
  std::uint64_t before = board.read().count;
  std::vector<std::uint32_t> begun;
  std::vector<bool> waits;
  ASSERT_EQ(device.writes.size(), 5u);
  for (const auto& [to, value] : device.writes) {
    to->store(value);
    const Tick tick = board.read();
    EXPECT_EQ(tick.layer, 7);
    EXPECT_NE(tick.count, std::exchange(before, tick.count)) << "a rank whose device moves does not hang";
    begun.push_back(tick.collectives);
    waits.push_back(tick.activity == Activity::collective);
  }
  EXPECT_EQ(begun, (std::vector<std::uint32_t>{0, 1, 1, 2, 2}));
  EXPECT_EQ(waits, (std::vector<bool>{false, true, false, true, false}));
}

}  // namespace
}  // namespace troupe::transport
