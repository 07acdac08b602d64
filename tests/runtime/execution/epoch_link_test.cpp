#include "runtime/execution/epoch_link.hpp"

#include <future>
#include <latch>
#include <thread>

#include "tests/error_of.hpp"
#include "tests/kernels/cuda/gpu_under_test.hpp"
#include "tests/transport/nccl/nccl_ranks.hpp"

namespace troupe::runtime {
namespace {

using testing::HasSubstr;
using transport::PeerError;

constexpr std::chrono::seconds patience{60};

// The ranks of an epoch as threads of this process; what one publishes, all hear.
class Ranks {
 public:
  // ranks_of_host: so many share memory; 0: none do.
  explicit Ranks(model::ShardingPlan plan, Epoch epoch = 4, const std::string& secret = "a secret",
                 Duration connect_timeout = patience, int ranks_of_host = 0, const GpuExchange& gpus = {}) {
    for (int rank = 0; ranks_of_host > 0 && rank < plan.ranks(); rank += ranks_of_host)
      hosts_.push_back(std::make_unique<Shared<transport::HostMemory>>(transport::host_memory_file()));
    boards_ = std::vector<TickBoard>(std::size_t(plan.ranks()));
    for (plan.rank = 0; plan.rank < plan.ranks(); ++plan.rank) {
      EpochLinkOptions options{.epoch = epoch,
                               .sharding = plan,
                               .network = "127.0.0.1",
                               .secret = secret,
                               .host = host_of(plan.rank, ranks_of_host),
                               .gpus = gpus,
                               .connect_timeout = connect_timeout,
                               .collective_timeout = patience,
                               .ticks = &boards_[std::size_t(plan.rank)]};
      links_.push_back(std::make_unique<EpochLink>(
          options, [this](const std::string& key, const std::string& address) { publish(key, address); }));
    }
  }

  EpochLink& operator[](int rank) { return *links_[std::size_t(rank)]; }
  TickBoard& board(int rank) { return boards_[std::size_t(rank)]; }
  int count() const { return int(links_.size()); }

  // Calls `run` for every rank on a thread of its own; returns what they throw.
  template <class Run>
  std::vector<std::string> each(Run run) {
    std::vector<std::string> errors(links_.size());
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < count(); ++rank)
      threads.emplace_back([&, rank] { errors[std::size_t(rank)] = error_of([&] { run(rank); }); });
    threads.clear();
    return errors;
  }
  void connect() {
    EXPECT_THAT(each([&](int rank) { (*this)[rank].connect(); }), testing::Each("no error"));
  }
  std::function<void(const std::string& key, const std::string& address)> also_tell;
  std::promise<void> published;  // the first time

  // What the memory of a host holds of the rank's world.
  const transport::Box& box(int rank) const {
    return (*hosts_[0])->boxes[transport::HostMemory::world][std::size_t(rank)];
  }

 private:
  RanksOfHost host_of(int rank, int ranks_of_host) const {
    if (hosts_.empty()) return {};
    const int host = rank / ranks_of_host;
    return {&**hosts_[std::size_t(host)], host * ranks_of_host, ranks_of_host, false};
  }
  void publish(const std::string& key, const std::string& address) {
    for (const auto& link : links_) link->address_arrived(key, address);
    if (also_tell) also_tell(key, address);
    if (!told_.test_and_set()) published.set_value();
  }

  std::vector<std::unique_ptr<Shared<transport::HostMemory>>> hosts_;
  std::vector<TickBoard> boards_;
  std::vector<std::unique_ptr<EpochLink>> links_;
  std::atomic_flag told_ = ATOMIC_FLAG_INIT;
};

float sum(transport::Communicator& ranks, float mine) {
  kernels::ImmediateQueue queue;
  ranks.all_reduce(queue, kernels::Tensor(&mine, kernels::DType::f32, {1, 1}));
  return mine;
}

void wait_until_in_collective(const TickBoard& board) {
  while (StepPlace::of(board.place).collective == Collective::none) std::this_thread::yield();
}

// Over the network, on hosts that hold a group each, and on one host.
class EpochLinkOnHosts : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Of, EpochLinkOnHosts, testing::Values(0, 2, 4));

TEST_P(EpochLinkOnHosts, JoinsAWorldAndItsGroups) {
  Ranks ranks({.tensor_parallel = 2, .data_parallel = 2}, 4, "a secret", patience, GetParam());
  std::atomic<int> published = 0;
  ranks.also_tell = [&](const std::string&, const std::string&) { ++published; };
  ranks.connect();
  EXPECT_EQ(published, GetParam() == 0 ? 8 : GetParam() == 2 ? 4 : 0) << "addresses are for other hosts";
  std::vector<float> world(4), group(4);
  EXPECT_THAT(ranks.each([&](int rank) {
    const auto communicators = ranks[rank].communicators();
    EXPECT_EQ(communicators.world.rank(), rank);
    EXPECT_EQ(communicators.world.size(), 4);
    EXPECT_EQ(communicators.group.rank(), rank % 2);
    EXPECT_EQ(communicators.group.size(), 2);
    world[std::size_t(rank)] = sum(communicators.world, float(1 << rank));
    group[std::size_t(rank)] = sum(communicators.group, float(1 << rank));
  }),
              testing::Each("no error"));
  EXPECT_EQ(world, (std::vector<float>{15, 15, 15, 15}));
  EXPECT_EQ(group, (std::vector<float>{3, 3, 12, 12}));
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(ranks.board(rank).read().collectives, 2u);
}

TEST(EpochLink, CarriesWhatLiesInMemoryThatTheHostDoesNotReach) {
  using kernels::cuda::GpuUnderTest;
  const GpuUnderTest machine({.devices = 2});
  const std::unique_ptr<kernels::Ops> devices[] = {GpuUnderTest::make_ops(0), GpuUnderTest::make_ops(1)};
  Ranks ranks({.tensor_parallel = 2, .data_parallel = 1});
  float sums[2] = {};
  EXPECT_THAT(ranks.each([&](int rank) {
    kernels::Ops& device = *devices[rank];
    ranks[rank].connect(&device);
    const auto memory = device.allocate(sizeof(float));
    const kernels::Tensor x(memory.get(), kernels::DType::f32, {1});
    const float value = float(1 << rank);
    device.upload(x.raw(), std::as_bytes(std::span(&value, 1)));
    const auto queue = device.make_queue();
    ranks[rank].communicators().world.all_reduce(*queue, x);
    device.read(*queue, x, std::as_writable_bytes(std::span(&sums[rank], 1)));
    queue->wait(TimePoint::max());
  }),
              testing::Each("no error"));
  EXPECT_THAT(sums, testing::Each(3.0f));
}

// The same of a number in the memory of a device, whose queue hears when the epoch is over.
float sum_on(kernels::Ops& device, transport::Communicator& ranks, float mine) {
  const auto memory = device.allocate(sizeof mine);
  const auto queue = device.make_queue();
  queue->watch([&] { ranks.check(); });
  const kernels::Tensor x(memory.get(), kernels::DType::f32, {1, 1});
  device.upload(x.raw(), std::as_bytes(std::span(&mine, 1)));
  ranks.all_reduce(*queue, x);
  device.read(*queue, x, std::as_writable_bytes(std::span(&mine, 1)));
  queue->wait(TimePoint::max());
  return mine;
}

// What ranks on these GPUs say when they meet and sum. A rank's GPU: [rank % gpus].
std::vector<std::string> meet_on_gpus(int gpus, GpuExchange::By by) {
  transport::GpuHost host(gpus);
  Ranks ranks({.tensor_parallel = 2, .data_parallel = 2}, 4, "a secret", patience, 0, {by, &host.calls});
  return ranks.each([&](int rank) {
    auto& device = *host.ops[std::size_t(rank % gpus)];
    ranks[rank].connect(&device);
    const auto communicators = ranks[rank].communicators();
    EXPECT_EQ(communicators.world.rank(), rank);
    EXPECT_EQ(communicators.group.rank(), rank % 2);
    EXPECT_EQ(sum_on(device, communicators.world, float(1 << rank)), 15);
    EXPECT_EQ(sum_on(device, communicators.group, float(1 << rank)), rank < 2 ? 3 : 12);
    EXPECT_EQ(host.nccl.living() > 0, by != GpuExchange::By::host && gpus == 4);
  });
}

TEST(EpochLink, GpusExchangeByNcclWhereAllRanksCan) {
  using By = GpuExchange::By;
  for (const By by : {By::host, By::nccl_if_all_have_it, By::nccl})
    EXPECT_THAT(meet_on_gpus(4, by), testing::Each("no error")) << int(by);
  EXPECT_THAT(meet_on_gpus(2, By::nccl_if_all_have_it), testing::Each("no error"));
  EXPECT_THAT(meet_on_gpus(2, By::nccl),
              testing::Each(HasSubstr("--gpu-communicator nccl: rank 2 has the same GPU as rank 0")));
}

TEST(EpochLink, ARankAloneOnItsGpuNeedsNobody) {
  transport::GpuHost host(1);
  EpochLink alone({.epoch = 3, .sharding = {}, .network = "", .secret = "", .ticks = nullptr},
                  [](const std::string&, const std::string&) { ADD_FAILURE() << "whom would it tell?"; });
  alone.connect(host.ops[0].get());
  EXPECT_EQ(sum_on(*host.ops[0], alone.communicators().world, 2), 2);
  alone.abort();
  EXPECT_THROW(sum_on(*host.ops[0], alone.communicators().world, 2), PeerError);
}

TEST(EpochLink, AbortWakesAGpuThatWaitsForAnother) {
  transport::GpuHost host(2);
  Ranks ranks({.tensor_parallel = 2, .data_parallel = 1}, 4, "a secret", patience, 0,
              {GpuExchange::By::nccl, &host.calls});
  ranks.each([&](int rank) { ranks[rank].connect(host.ops[std::size_t(rank)].get()); });
  std::jthread waiting(
      [&] { EXPECT_THROW(sum_on(*host.ops[0], ranks[0].communicators().world, 1), PeerError); });
  wait_until_in_collective(ranks.board(0));
  ranks[0].abort();
}

TEST(EpochLink, TheWorldIsTheOnlyGroupOrEachRankIsOne) {
  Ranks tensor({.tensor_parallel = 2, .data_parallel = 1});
  tensor.connect();
  EXPECT_EQ(&tensor[0].communicators().group, &tensor[0].communicators().world);
  Ranks data({.tensor_parallel = 1, .data_parallel = 2});
  data.connect();
  EXPECT_EQ(data[1].communicators().group.size(), 1);
  EXPECT_EQ(data[1].communicators().world.size(), 2);
}

TEST(EpochLink, OneRankNeedsNobody) {
  EpochLink alone({.epoch = 3, .sharding = {}, .network = "", .secret = "", .ticks = nullptr},
                  [](const std::string&, const std::string&) { ADD_FAILURE() << "whom would it tell?"; });
  alone.connect();
  EXPECT_EQ(alone.epoch(), 3u);
  EXPECT_EQ(sum(alone.communicators().world, 2), 2);
  alone.abort();
  EXPECT_THROW(sum(alone.communicators().world, 2), PeerError) << "also without ticks";
}

TEST_P(EpochLinkOnHosts, AMissingRankIsNamedInTime) {
  Ranks ranks({.tensor_parallel = 2, .data_parallel = 1}, 4, "a secret", std::chrono::milliseconds(30),
              std::min(GetParam(), 2));
  EXPECT_THAT(error_of([&] { ranks[0].connect(); }), HasSubstr("rank 1"));
}

TEST(EpochLink, AbortWakesARankThatWaitsForOthersToCome) {
  for (const int waiting : {0, 1}) {  // one of them calls, the other is called
    Ranks ranks({.tensor_parallel = 2, .data_parallel = 1});
    std::jthread aborting([&] {
      ranks.published.get_future().wait();
      ranks[waiting].abort();
    });
    const TimePoint start = now();
    EXPECT_NE(error_of([&] { ranks[waiting].connect(); }), "no error");
    EXPECT_LT(now() - start, patience / 2);
  }
}

TEST(EpochLink, AbortBeforeConnectIsNotForgotten) {
  for (const int size : {1, 2}) {
    Ranks ranks({.tensor_parallel = size, .data_parallel = 1});
    ranks[0].abort();
    EXPECT_NE(error_of([&] { ranks[0].connect(); }), "no error");
  }
}

TEST(EpochLink, AbortWakesARankThatWaitsForOthersToArrive) {
  Ranks ranks({.tensor_parallel = 2, .data_parallel = 1}, 4, "a secret", patience, 2);
  std::jthread aborting([&] {
    while (ranks.box(1).epoch == 0) std::this_thread::yield();
    ranks[1].abort();
  });
  EXPECT_THAT(error_of([&] { ranks[1].connect(); }), HasSubstr("the epoch was aborted"));
}

TEST_P(EpochLinkOnHosts, AbortWakesACollectiveAndItsPeersFail) {
  for (const bool in_group : {false, true}) {
    Ranks ranks({.tensor_parallel = 2, .data_parallel = 2}, 4, "a secret", patience, GetParam());
    ranks.connect();
    std::promise<void> woken;
    std::jthread waiting([&] {
      const auto communicators = ranks[0].communicators();
      EXPECT_THROW(sum(in_group ? communicators.group : communicators.world, 1), PeerError);
      woken.set_value();
    });
    wait_until_in_collective(ranks.board(0));
    ranks[0].abort();
    EXPECT_EQ(woken.get_future().wait_for(patience / 2), std::future_status::ready);
    const auto peer = ranks[1].communicators();
    EXPECT_THROW(sum(in_group ? peer.group : peer.world, 1), PeerError);
    EXPECT_THROW(sum(ranks[0].communicators().group, 1), PeerError) << "it is over for good";
  }
}

TEST(EpochLink, AbortOfAConnectedRankEndsItsGroupOfOne) {
  Ranks ranks({.tensor_parallel = 1, .data_parallel = 2});
  ranks.connect();
  ranks[0].abort();
  EXPECT_THROW(sum(ranks[0].communicators().group, 1), PeerError);
  EXPECT_THROW(sum(ranks[0].communicators().world, 1), PeerError);
  EXPECT_EQ(sum(ranks[1].communicators().group, 1), 1) << "another's own is not concerned";
}

TEST(EpochLink, AddressesOfAnotherEpochLeadNowhere) {
  Ranks before({.tensor_parallel = 2, .data_parallel = 1}, 4, "an old secret"),
      after({.tensor_parallel = 2, .data_parallel = 1}, 5, "a new secret");
  before.also_tell = [&](const std::string& key, const std::string& address) {
    for (int rank = 0; rank < 2; ++rank) after[rank].address_arrived(key, address);
  };
  before.connect();
  after.connect();
  std::vector<float> sums(2);
  after.each(
      [&](int rank) { sums[std::size_t(rank)] = sum(after[rank].communicators().world, float(rank + 1)); });
  EXPECT_EQ(sums, (std::vector<float>{3, 3}));
}

}  // namespace
}  // namespace troupe::runtime
