#include "transport/nccl/communicator.hpp"

#include <future>
#include <latch>

#include "kernels/cuda/exchange.hpp"
#include "kernels/device.hpp"
#include "tests/error_of.hpp"
#include "tests/transport/collective_results.hpp"
#include "tests/transport/host/thread_ranks.hpp"
#include "tests/transport/nccl/nccl_ranks.hpp"

namespace troupe::transport {
namespace {

using kernels::cuda::CudaOps;
using kernels::cuda::CudaQueue;
using testing::AnyOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;

constexpr Duration soon = std::chrono::milliseconds(20);

std::uint32_t next_seed() {
  static std::uint32_t seed = 0;
  return ++seed;
}

Ranks nccl_ranks(int ranks, Duration timeout) {
  return ranks_on(std::make_shared<GpuHost>(ranks, emulated::NcclQuirks{.seed = next_seed()}), ranks,
                  timeout);
}

INSTANTIATE_TEST_SUITE_P(Nccl, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"Nccl", nccl_ranks, false}),
                                          testing::Values(1, 2, 4)),
                         conformance_name);

// Two groups of two ranks: what their ranks send each other goes through the one communicator of the world.
Ranks group_ranks(int ranks, Duration timeout) {
  const auto host = std::make_shared<GpuHost>(2 * ranks, emulated::NcclQuirks{.seed = next_seed()});
  const auto epochs = host->meet(2 * ranks);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank)
    communicators.push_back(std::make_unique<HostedRank>(
        host, *host->ops[std::size_t(ranks + rank)],
        nccl_communicator(epochs[std::size_t(ranks + rank)], ranks, ranks), timeout));
  return communicators;
}
INSTANTIATE_TEST_SUITE_P(NcclGroup, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"NcclGroup", group_ranks, false}),
                                          testing::Values(1, 2)),
                         conformance_name);

TEST(NcclCommunicator, GivesTheBytesOfTheHost) {
  const Sizes sizes{.sums = {3, 16384, 16385},  // around what one exchange carries
                    .longest_sum = 26'000,
                    .gathered_rows = 100,
                    .tokens = 100};
  for (const int ranks : {1, 2, 4, 8})
    for (unsigned seed = 0; seed < 2; ++seed)
      EXPECT_TRUE(results_of(thread_ranks(ranks), seed, sizes) ==
                  results_of(nccl_ranks(ranks, patience), seed, sizes))
          << ranks << " ranks, seed " << seed;
}

// Rank 1 knows of more experts than rank 0.
TEST(NcclCommunicator, DoesNotTrustWhatADispatchBrings) {
  const auto host = std::make_shared<GpuHost>(2);
  Ranks ranks = ranks_on(host, 2, patience);
  const auto errors = run_ranks(ranks, [](Communicator& rank) {
    std::vector<float> row(conformance_hidden, 1);
    std::vector<std::int32_t> expert{rank.rank() == 0 ? 0 : 6};
    OwnedBatch batch(2, 2);
    rank.dispatch(queue(), view(row, 1, conformance_hidden), {view(expert, 1, 1), {}},
                  ExpertPlacement::spread(rank.rank() == 0 ? 4 : 8, 2), batch.batch);
  });
  EXPECT_THAT(errors[0], HasSubstr("dispatch: rank 1 asks for an expert that there is not"));
}

// Rows of 4 MB: slots go home one after another.
TEST(NcclCommunicator, ResultsGoHomeInRounds) {
  constexpr std::int64_t hidden = 1 << 20, slots = 18;
  const auto host = std::make_shared<GpuHost>(1);
  Ranks ranks = ranks_on(host, 1, patience);
  std::vector<float> token(hidden), results(slots * hidden), back(slots * hidden), row(hidden);
  std::vector<std::int32_t> experts(slots), visit_rows(slots), visit_experts(slots), counts(2);
  for (std::size_t i = 0; i < slots; ++i) {
    experts[i] = std::int32_t(i);
    results[i * hidden] = float(i);
    results[i * hidden + hidden - 1] = -float(i);
  }
  kernels::ExpertBatch batch{view(row, 1, hidden),
                             view(visit_rows, slots, 1),
                             view(visit_experts, slots, 1),
                             {counts.data(), kernels::DType::i32, {2}}};
  ranks[0]->dispatch(queue(), view(token, 1, hidden), {view(experts, 1, slots), {}},
                     ExpertPlacement::spread(slots, 1), batch);
  EXPECT_EQ(counts, (std::vector<std::int32_t>{1, slots}));
  ranks[0]->combine(queue(), view(results, slots, hidden), view(back, slots, hidden));
  EXPECT_TRUE(back == results);
}

// Some calls of each kind, one collective after another, until one throws.
void all_kinds(Communicator& rank, const std::vector<RoutedTokens>& sources) {
  sum_some(rank);
  sum_some(rank, 20'000);
  std::vector<float> mine(3, float(rank.rank())), all(3 * std::size_t(rank.size()));
  rank.all_gather(queue(), view(mine, 1, 3), view(all, rank.size(), 3));
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], float(i / 3));
  exchange_tokens(rank, sources, ExpertPlacement::spread(5, rank.size()));
}
std::vector<RoutedTokens> some_tokens(int ranks) {
  std::vector<RoutedTokens> sources;
  for (int rank = 0; rank < ranks; ++rank) sources.push_back(routed_tokens(unsigned(rank), 2, 2, 5));
  return sources;
}

// The work of an epoch whose ranks are told by somebody when one of them fails, as a supervisor does.
std::vector<std::string> watched(Ranks& ranks, const std::vector<RoutedTokens>& sources) {
  return run_ranks(ranks, [&](Communicator& rank) {
    try {
      all_kinds(rank, sources);
    } catch (const Error&) {
      for (const auto& each : ranks) each->abort();
      throw;
    }
  });
}

// The call of two ranks' all_kinds that something happens to: of those that enqueue, or of those that ask how it goes.
class TheCall {
 public:
  static constexpr int enqueues = 30, count = 2 * enqueues;

  explicit TheCall(int which) : asks_(which >= enqueues), left_(asks_ ? (which - enqueues) * 5 : which) {}
  bool is(std::string_view name) {
    if (name == "init" || name == "abort") return false;
    return (name == "async_error") == asks_ && left_-- == 0;
  }

 private:
  const bool asks_;
  std::atomic<int> left_;
};

NcclEpochOptions never_stuck() {
  return {.end_limit = patience, .stuck = [](const std::string& why) { ADD_FAILURE() << why; }};
}

TEST(NcclCommunicator, AnyCallMayFail) {
  const auto sources = some_tokens(2);
  const NcclResult results[] = {nccl_unhandled_cuda_error, nccl_system_error, nccl_internal_error,
                                nccl_remote_error};
  for (int which = 0; which < TheCall::count; ++which) {
    TheCall call(which);
    const NcclResult result = results[which % 4];
    const auto host = std::make_shared<GpuHost>(2, emulated::NcclQuirks{.seed = std::uint32_t(which)});
    Ranks ranks = ranks_on(host, 2, patience, never_stuck());
    host->nccl.on_call([&](std::string_view name) { return call.is(name) ? result : nccl_success; });
    const auto errors = watched(ranks, sources);
    for (const std::string& error : errors)
      EXPECT_THAT(error, AnyOf("", HasSubstr("NCCL: "), HasSubstr("aborted"))) << which;
    if (which < TheCall::enqueues) {
      EXPECT_THAT(errors, Contains(HasSubstr("NCCL: "))) << which;
    }
    ranks.clear();
  }
}

TEST(NcclCommunicator, AnAbortMayComeBetweenAnyTwoCalls) {
  const auto sources = some_tokens(2);
  for (int which = 0; which < TheCall::count; ++which) {
    TheCall call(which);
    const auto host = std::make_shared<GpuHost>(2, emulated::NcclQuirks{.seed = std::uint32_t(which)});
    Ranks ranks = ranks_on(host, 2, patience, never_stuck());
    host->nccl.on_call([&](std::string_view name) {
      if (call.is(name))
        for (const auto& rank : ranks) rank->abort();
      return nccl_success;
    });
    const auto errors = run_ranks(ranks, [&](Communicator& rank) { all_kinds(rank, sources); });
    for (const std::string& error : errors) EXPECT_THAT(error, AnyOf("", HasSubstr("aborted"))) << which;
    if (which < TheCall::enqueues) {
      EXPECT_THAT(errors, Contains(HasSubstr("aborted"))) << which;
    }
    host->nccl.on_call({});
    ranks.clear();
  }
}

TEST(NcclCommunicator, APeerThatNeverComesIsWaitedForUntilTheAbort) {
  const auto host = std::make_shared<GpuHost>(2);
  Ranks ranks = ranks_on(host, 2, patience);
  std::latch waits(1);
  host->nccl.on_call([&](std::string_view name) {
    if (name == "async_error") waits.count_down(waits.try_wait() ? 0 : 1);
    return nccl_success;
  });
  std::jthread aborting([&] {
    waits.wait();
    ranks[0]->abort();
  });
  const std::string error = error_of([&] { sum_some(*ranks[0]); });
  EXPECT_THAT(error, HasSubstr("rank 0 of 2, all_reduce: the epoch was aborted by rank 0"));
  aborting.join();
  host->nccl.on_call({});
}

TEST(NcclCommunicator, APeerThatLeftIsNoticedWhereNcclDoes) {
  Ranks ranks = nccl_ranks(2, patience);
  ranks.pop_back();
  EXPECT_THAT(error_of([&] { sum_some(*ranks[0]); }),
              HasSubstr("rank 0 of 2, all_reduce: NCCL: remote process exited"));
  EXPECT_THAT(error_of([&] { ranks[0]->check(); }), HasSubstr("remote process exited")) << "for good";
}

// Whoever aborts goes on at once, and whoever is to help learns of it.
TEST(NcclCommunicator, AnAbortThatDoesNotComeLooseIsTold) {
  const auto host = std::make_shared<GpuHost>(2);
  std::promise<std::string> told;
  const auto epochs = host->meet(2, {.end_limit = soon, .stuck = [&](const std::string& why) {
                                       told.set_value(why);
                                       host->nccl.let_aborts_go();
                                     }});
  host->nccl.hold_aborts();
  epochs[0]->end("it is enough");
  EXPECT_THAT(error_of([&] { epochs[0]->check("all_reduce"); }), HasSubstr("it is enough"));
  EXPECT_THAT(told.get_future().get(), HasSubstr("within 20 ms"));
  while (host->nccl.living() > 1) std::this_thread::yield();
  EXPECT_THAT(error_of([&] { epochs[0]->check_alive("all_reduce"); }), HasSubstr("it is enough"));
}

TEST(NcclCommunicator, AnAbortThatFailsIsTold) {
  const auto host = std::make_shared<GpuHost>(2);
  std::promise<std::string> told;
  const auto epochs = host->meet(2, {.stuck = [&](const std::string& why) { told.set_value(why); }});
  host->nccl.on_call(
      [](std::string_view name) { return name == "abort" ? nccl_system_error : nccl_success; });
  epochs[0]->end("it is enough");
  EXPECT_THAT(told.get_future().get(), HasSubstr("NCCL: unhandled error"));
}

// A queue goes with its step, and NCCL may be at its stream still.
TEST(NcclCommunicator, AStreamLivesUntilNcclHasComeLoose) {
  const auto host = std::make_shared<GpuHost>(2);
  const auto epochs = host->meet(2);
  {
    std::vector<std::jthread> threads;
    for (std::size_t rank = 0; rank < 2; ++rank)
      threads.emplace_back([&, rank] {
        const auto queue = host->ops[rank]->make_queue();
        const auto mine = host->ops[rank]->allocate(4), all = host->ops[rank]->allocate(8);
        epochs[rank]->all_gather(CudaQueue::of(*queue), "all_gather", mine.get(), all.get(), 4);
        queue->wait(TimePoint::max());
      });
  }
  for (const auto& epoch : epochs) epoch->end("it is enough");
  while (host->nccl.living() > 0) std::this_thread::yield();
}

// Whoever asks NCCL first hears that it is the GPU, of which this process can make no use any more.
TEST(NcclCommunicator, AFailureOfTheGpuIsNoFailureOfAPeer) {
  const auto host = std::make_shared<GpuHost>(2);
  for (const bool enqueues : {true, false}) {
    const auto epochs = host->meet(2);
    const std::size_t rank = enqueues ? 0 : 1;
    const auto queue = host->ops[rank]->make_queue();
    const auto memory = host->ops[rank]->allocate(16);
    EXPECT_THROW(kernels::break_device(*host->ops[rank], nullptr), DeviceError);
    if (!enqueues)
      host->nccl.on_call([](std::string_view name) {
        return name == "async_error" ? nccl_unhandled_cuda_error : nccl_success;
      });
    try {
      if (enqueues)
        epochs[rank]->all_gather(CudaQueue::of(*queue), "all_gather", memory.get(), memory.get(), 4);
      else
        epochs[rank]->check("all_gather");
      FAIL() << "NCCL works on a GPU that has failed";
    } catch (const DeviceError& failed) {
      EXPECT_EQ(failed.fault.kind, DeviceFaultKind::launch_failed);
      if (enqueues) {
        EXPECT_THAT(failed.fault.kernels, HasSubstr("all_gather"));
      }
    }
    EXPECT_THAT(error_of([&] { epochs[rank]->check_alive("all_gather"); }),
                HasSubstr("NCCL: unhandled error"));
    host->nccl.on_call({});
  }
}

// The next epoch does not wait for the end of the one before.
TEST(NcclCommunicator, EpochsOverlap) {
  const auto host = std::make_shared<GpuHost>(2);
  const auto before = host->meet(2);
  host->nccl.hold_aborts();
  for (const auto& epoch : before) epoch->end("over");
  Ranks ranks = ranks_on(host, 2, patience);
  EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }), Each(""));
  EXPECT_EQ(host->nccl.living(), 4);
  host->nccl.let_aborts_go();
  while (host->nccl.living() > 2) std::this_thread::yield();
}

}  // namespace
}  // namespace troupe::transport
