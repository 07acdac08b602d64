#include "transport/host/shared_memory_mesh.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/error_of.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/host/shared_memory_ranks.hpp"

namespace troupe::transport {
namespace {

using testing::Each;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(SharedMemory, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"SharedMemory",
                                                                  [](int ranks, Duration timeout) {
                                                                    return shared_memory_ranks(ranks,
                                                                                               timeout);
                                                                  }}),
                                          testing::Values(1, 2, 4, 8)),
                         conformance_name);

std::vector<SharedMemoryOptions> options_of(HostMemory& memory, int ranks, const std::string& secret) {
  std::vector<SharedMemoryOptions> options;
  for (int rank = 0; rank < ranks; ++rank)
    options.push_back(shared_memory_options(memory, rank, ranks, secret));
  return options;
}

void gather(Communicator& rank, std::int64_t count) {
  std::vector<float> mine = rough_values(unsigned(rank.rank()), std::size_t(count));
  std::vector<float> all(mine.size() * std::size_t(rank.size()));
  rank.all_gather(queue(), view(mine, 1, count), view(all, rank.size(), count));
  for (int r = 0; r < rank.size(); ++r)
    EXPECT_TRUE(std::ranges::equal(rough_values(unsigned(r), mine.size()),
                                   std::span(all).subspan(std::size_t(r * count), mine.size())))
        << r;
}

// Around what one slot and two hold, and far more.
TEST(SharedMemoryMesh, LongMessagesGoPieceByPiece) {
  Ranks ranks = shared_memory_ranks(2, patience);
  constexpr std::int64_t slot = slot_bytes / sizeof(float);
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    for (const std::int64_t count : {slot - 1, slot, slot + 1, 2 * slot, 2 * slot + 1, 11 * slot + 5})
      gather(rank, count);
  });
  EXPECT_THAT(errors, Each(""));
}

// Each rank brings another number of slots to an exchange.
TEST(SharedMemoryMesh, RanksBringMessagesOfDifferentLengths) {
  Ranks ranks = shared_memory_ranks(4, patience);
  std::vector<RoutedTokens> sources;
  for (const std::int64_t tokens : {0, 7, 70'000, 150'000})
    sources.push_back(routed_tokens(unsigned(sources.size()), tokens, 2, 5));
  EXPECT_THAT(
      run_ranks(ranks,
                [&](Communicator& rank) { exchange_tokens(rank, sources, ExpertPlacement::spread(5, 4)); }),
      Each(""));
}

// A rank takes part in the world and in its group, and groups lie side by side.
TEST(SharedMemoryMesh, CommunicatorsDoNotMeet) {
  HostMemory& memory = new_host_memory();
  std::vector<SharedMemoryOptions> options = options_of(memory, 4, "world");
  for (int rank = 0; rank < 4; ++rank) {
    SharedMemoryOptions member = shared_memory_options(memory, rank % 2, 2, "group");
    member.communicator = HostMemory::group;
    member.first_place = rank / 2 * 2;
    options.push_back(member);
  }
  Ranks ranks = shared_memory_ranks(options);
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    for (int round = 1; round < 200; ++round) {
      std::vector<float> x{float(rank.size())};
      rank.all_reduce(queue(), view(x, 1, 1));
      EXPECT_EQ(x[0], float(rank.size() * rank.size()));
    }
  });
  EXPECT_THAT(errors, Each(""));
}

TEST(SharedMemoryMesh, AMissingRankIsNamedWhenItDoesNotArrive) {
  HostMemory& memory = new_host_memory();
  std::vector<SharedMemoryOptions> options = options_of(memory, 2, "a secret");
  options[0].connect_timeout = std::chrono::milliseconds(50);
  EXPECT_THAT(error_of([&] { shared_memory_mesh(options[0]); }),
              HasSubstr("rank 0 of 2, connect: rank 1 did not arrive in time"));
}

TEST(SharedMemoryMesh, StopsWaitingForArrivalsWhenAsked) {
  HostMemory& memory = new_host_memory();
  std::stop_source stop;
  std::jthread stopper([&] {
    while (memory.boxes[HostMemory::world][0].epoch == 0) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_THAT(error_of([&] { shared_memory_mesh(shared_memory_options(memory, 0, 2), stop.get_token()); }),
              HasSubstr("the epoch was aborted"));
  EXPECT_THAT(error_of([&] { shared_memory_mesh(shared_memory_options(memory, 0, 2), stop.get_token()); }),
              HasSubstr("the epoch was aborted"));
}

// A rank that another epoch left behind hears of it, and changes nothing in that one.
TEST(SharedMemoryMesh, ARankOfAnOlderEpochIsLeftBehind) {
  HostMemory& memory = new_host_memory();
  Ranks older = shared_memory_ranks(options_of(memory, 2, "older"));
  std::string error;
  std::jthread waiting([&] { error = error_of([&] { sum_some(*older[0]); }); });
  while (memory.boxes[HostMemory::world][0].round == 0) std::this_thread::yield();
  std::vector<SharedMemoryOptions> options = options_of(memory, 2, "newer");
  std::unique_ptr<Communicator> first, second;
  std::jthread joining([&] { second = host_communicator(shared_memory_mesh(options[1])); });
  waiting.join();
  EXPECT_THAT(error, HasSubstr("rank 1 left the epoch for another"));
  first = host_communicator(shared_memory_mesh(options[0]));
  joining.join();
  older.clear();
  Ranks newer;
  newer.push_back(std::move(first));
  newer.push_back(std::move(second));
  EXPECT_THAT(run_ranks(newer, [](Communicator& rank) { gather(rank, 100'000); }), Each(""));
}

// A rank that is a process of its own and sums until it is killed.
pid_t start_rank(const SharedMemoryOptions& options) {
  const pid_t child = fork();
  if (child != 0) return child;
  try {
    const auto rank = host_communicator(shared_memory_mesh(options));
    for (;;) sum_some(*rank, 1'000'000);
  } catch (const Error&) {
    _exit(1);
  }
}

// Killed anywhere in an exchange, a process leaves memory that serves the next epoch.
TEST(SharedMemoryMesh, SurvivesTheDeathOfARank) {
  HostMemory& memory = new_host_memory();
  std::mt19937 random(7);
  for (int epoch = 0; epoch < 20; ++epoch) {
    const auto options = options_of(memory, 2, "epoch" + std::to_string(epoch));
    const pid_t child = start_rank(options[1]);
    const auto rank = host_communicator(shared_memory_mesh(options[0]));
    std::jthread killer([&, rounds = 1 + random() % 40] {
      while (memory.boxes[HostMemory::world][1].round < rounds) std::this_thread::yield();
      kill(child, SIGKILL);
      EXPECT_EQ(waitpid(child, nullptr, 0), child);
      rank->abort();  // as a node does when a process ended
    });
    EXPECT_THAT(error_of([&] {
                  for (;;) sum_some(*rank, 1'000'000);
                }),
                HasSubstr("the epoch was aborted by rank 0"));
  }
  Ranks ranks = shared_memory_ranks(options_of(memory, 2, "the last"));
  EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { gather(rank, 1'000'000); }), Each(""));
}

TEST(SharedMemoryMesh, MemoryMayHoldAnythingWhenAnEpochBegins) {
  HostMemory& memory = new_host_memory();
  std::mt19937 random(11);
  for (int epoch = 0; epoch < 10; ++epoch) {
    for (Box& box : std::span(memory.boxes[HostMemory::world]).first(4)) {
      const auto words =
          std::span(reinterpret_cast<std::uint32_t*>(&box), offsetof(Box, slots) / sizeof(std::uint32_t));
      for (std::uint32_t& word : words) word = std::uint32_t(random());
    }
    Ranks ranks = shared_memory_ranks(options_of(memory, 4, "epoch" + std::to_string(epoch)));
    EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { gather(rank, 3000); }), Each(""));
  }
}

// What a peer leaves in memory is an Error at worst.
TEST(SharedMemoryMesh, DoesNotTrustItsPeers) {
  struct Lie {
    std::function<void(Box&)> tell;
    std::string error;
  };
  constexpr std::uint64_t huge = std::uint64_t(1) << 63;
  const std::vector<Lie> lies{
      {[](Box& box) { box.announcements[1].pieces[0].bytes = huge; },
       "announces a message that it cannot have"},
      {[](Box& box) { box.announcements[1].pieces[0].offset = huge; },
       "announces a message that it cannot have"},
      {[](Box& box) { box.announcements[1].pieces[0].offset = 1; },
       "announces a message that it cannot have"},
      {[](Box& box) { box.announcements[1].bytes = huge; }, "announces a message that it cannot have"},
      {[](Box& box) { box.announcements[1].message = Message(77); }, "is in no collective that is known"},
      {[](Box& box) { box.announcements[1].pieces[0].bytes = 4; }, "brings a tensor of another size"},
      {[](Box& box) { box.announcements[1].bytes = max_message_bytes; }, "rank 1 did not arrive in time"},
      {[](Box& box) { box.round = 3; }, "rank 1 did not arrive in time"},
      {[](Box& box) {
         box.round = 0;
         box.farewell.fill('\n');
         box.farewell_bytes = 1 << 30;
         box.state = Box::ended;
       },
       "all_reduce: ???"},
  };
  for (std::size_t i = 0; i < lies.size(); ++i) {
    HostMemory& memory = new_host_memory();
    std::vector<SharedMemoryOptions> options = options_of(memory, 2, "a secret");
    options[0].timeout = std::chrono::milliseconds(50);
    Ranks ranks = shared_memory_ranks(options);
    Box& box = memory.boxes[HostMemory::world][1];
    box.announcements[1].message = Message::whole_partials;
    box.announcements[1].bytes = box.announcements[1].pieces[0].bytes = 16;
    box.round = 1;
    lies[i].tell(box);
    EXPECT_THAT(error_of([&] { sum_some(*ranks[0]); }), HasSubstr(lies[i].error)) << i;
  }
}

TEST(SharedMemoryMesh, PeersLearnWhyARankFailed) {
  HostMemory& memory = new_host_memory();
  std::vector<SharedMemoryOptions> options = options_of(memory, 4, "a secret");
  options[2].timeout = std::chrono::milliseconds(50);
  Ranks ranks = shared_memory_ranks(options);
  const auto errors = run_ranks(ranks, [](Communicator& rank) {
    if (rank.rank() != 3) sum_some(rank);
  });
  for (const std::size_t rank : {0, 1, 2})
    EXPECT_THAT(errors[rank], HasSubstr("all_reduce: rank 3 did not arrive in time")) << rank;
}

}  // namespace
}  // namespace troupe::transport
