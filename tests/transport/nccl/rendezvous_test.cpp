#include "transport/nccl/rendezvous.hpp"

#include "kernels/device.hpp"
#include "tests/error_of.hpp"
#include "tests/transport/nccl/nccl_ranks.hpp"

namespace troupe::transport {
namespace {

using testing::Each;
using testing::HasSubstr;

constexpr Duration soon = std::chrono::milliseconds(20);

NcclOptions options_of(int rank, int size, const NcclCalls* calls, Duration timeout = patience) {
  return {.epoch = {.rank = rank, .size = size}, .secret = "s", .calls = calls, .connect_timeout = timeout};
}

// What each of two ranks says of why they cannot; empty: they met.
std::vector<std::string> choices(GpuHost& host, const NcclCalls* first, const NcclCalls* second,
                                 int gpu_of_second, std::array<bool, 2> shares_gpu = {}) {
  MemoryStore store;
  std::vector<std::string> why(2);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      const auto& ops = *host.ops[std::size_t(rank == 0 ? 0 : gpu_of_second)];
      NcclOptions options = options_of(rank, 2, rank == 0 ? first : second);
      options.shares_gpu = shares_gpu[std::size_t(rank)];
      const auto met = connect_nccl(options, ops.gpu(), store, {});
      EXPECT_EQ(met.epoch == nullptr, !met.why_not.empty());
      why[std::size_t(rank)] = met.why_not;
      if (met.epoch) met.epoch->end("enough");
    });
  return threads.clear(), why;
}

TEST(NcclRendezvous, AllRanksComeToTheSameChoice) {
  GpuHost host(2);
  NcclCalls other = host.calls;
  other.version = [](int* version) { return *version = 23001, nccl_success; };
  EXPECT_THAT(choices(host, &host.calls, &host.calls, 1), Each(""));
  EXPECT_THAT(choices(host, &host.calls, nullptr, 1), Each("rank 1 has no NCCL"));
  EXPECT_THAT(choices(host, nullptr, &host.calls, 1), Each("rank 0 has no NCCL"));
  EXPECT_THAT(choices(host, &host.calls, &other, 1), Each("rank 1 has NCCL 2.30.1, rank 0 has 2.28.9"));
  EXPECT_THAT(choices(host, &host.calls, &host.calls, 0), Each("rank 1 has the same GPU as rank 0"));
  while (host.nccl.living() > 0) std::this_thread::yield();
}

TEST(NcclRendezvous, RanksShareAGpuWhereAllTheirNcclsLetThem) {
  GpuHost host(1);
  NcclCalls newer = host.calls;
  newer.version = [](int* version) { return *version = 23000, nccl_success; };
  const auto refused = Each("rank 1 has the same GPU as rank 0");
  EXPECT_THAT(choices(host, &newer, &newer, 0), refused);
  EXPECT_THAT(choices(host, &newer, &newer, 0, {true, false}), refused);
  EXPECT_THAT(choices(host, &host.calls, &host.calls, 0, {true, true}), refused) << "it is too old";
  EXPECT_THAT(choices(host, &newer, &newer, 0, {true, true}), Each(""));
  while (host.nccl.living() > 0) std::this_thread::yield();
}

TEST(NcclRendezvous, WhoIsMissingIsNamed) {
  GpuHost host(1);
  MemoryStore store;
  const auto error =
      error_of([&] { connect_nccl(options_of(1, 4, &host.calls, soon), host.ops[0]->gpu(), store, {}); });
  EXPECT_THAT(error, HasSubstr("rank 1 of 4"));
  EXPECT_THAT(error, HasSubstr("rank 0 did not come in time"));
}

TEST(NcclRendezvous, NonsenseInTheStoreIsAnError) {
  GpuHost host(1);
  for (const std::string& id : {std::string("short"), std::string(256, 'x')}) {
    MemoryStore store;
    store.set("s/gpu0", "2.28.9 0");
    store.set("s/nccl", id);
    EXPECT_THAT(error_of([&] { connect_nccl(options_of(1, 2, &host.calls), host.ops[0]->gpu(), store, {}); }),
                HasSubstr("no id of NCCL"));
  }
  MemoryStore store;
  store.set("s/gpu0", "nonsense");
  EXPECT_EQ(connect_nccl(options_of(1, 2, &host.calls), host.ops[0]->gpu(), store, {}).why_not,
            "rank 0 has no NCCL");
}

// A rank that announced itself and never entered NCCL.
TEST(NcclRendezvous, AStopOrAFailureEndsTheWaitForNccl) {
  GpuHost host(1);
  const auto join = [&](const std::stop_token& stop) {
    MemoryStore store;
    store.set("s/gpu1", "2.28.9 another");
    return error_of([&] { connect_nccl(options_of(0, 2, &host.calls), host.ops[0]->gpu(), store, stop); });
  };
  std::stop_source stop;
  std::atomic<int> asked = 0;
  host.nccl.on_call([&](std::string_view name) {
    if (name == "async_error" && ++asked == 3) stop.request_stop();
    return nccl_success;
  });
  EXPECT_THAT(join(stop.get_token()), HasSubstr("rank 0 of 2, connect: the epoch was aborted"));
  host.nccl.on_call(
      [&](std::string_view name) { return name == "async_error" ? nccl_system_error : nccl_success; });
  EXPECT_THAT(join({}), HasSubstr("connect: NCCL: unhandled error"));
  host.nccl.on_call(
      [&](std::string_view name) { return name == "init" ? nccl_unhandled_cuda_error : nccl_success; });
  EXPECT_THAT(join({}), HasSubstr("connect: NCCL: unhandled error"));
  host.nccl.on_call({});
  while (host.nccl.living() > 0) std::this_thread::yield();
}

TEST(NcclRendezvous, AGpuThatHasFailedIsNoPeerThatDidNotCome) {
  GpuHost host(1);
  NcclUniqueId id;
  host.calls.unique_id(&id);
  EXPECT_THROW(kernels::break_device(*host.ops[0], nullptr), DeviceError);
  host.nccl.on_call(
      [&](std::string_view name) { return name == "init" ? nccl_unhandled_cuda_error : nccl_success; });
  const auto epoch =
      std::make_shared<NcclEpoch>(NcclEpochOptions{.rank = 0, .size = 2}, host.ops[0]->gpu(), &host.calls);
  EXPECT_THROW(epoch->join(id, now() + patience, {}), DeviceError);
}

TEST(NcclRendezvous, ADeadlineEndsTheWaitForNccl) {
  GpuHost host(2);
  NcclUniqueId id;
  host.calls.unique_id(&id);
  TickBoard board;
  const Doing joining(&board, Activity::joining);
  const auto before = board.read().count;
  const auto epoch = std::make_shared<NcclEpoch>(NcclEpochOptions{.rank = 0, .size = 2, .ticks = &board},
                                                 host.ops[0]->gpu(), &host.calls);
  EXPECT_THAT(error_of([&] { epoch->join(id, now() + soon, {}); }),
              HasSubstr("NCCL did not connect the ranks in time"));
  EXPECT_GT(board.read().count, before) << "it moves until then";
  while (host.nccl.living() > 0) std::this_thread::yield();
}

}  // namespace
}  // namespace troupe::transport
