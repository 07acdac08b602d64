#include "transport/gloo/gloo.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tests/error_of.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/gloo_ranks.hpp"
#include "transport/local/local.hpp"

namespace troupe::transport {
namespace {

using testing::AnyOf;
using testing::Each;
using testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Gloo, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"Gloo", gloo_ranks}),
                                          testing::Values(1, 2, 4, 8)),
                         conformance_name);

// What every rank has after a sum, a gather, and a way to the experts and back.
std::vector<std::vector<float>> results_of(Ranks ranks) {
  constexpr std::int64_t hidden = conformance_hidden;
  std::vector<std::vector<float>> results(ranks.size());
  const auto errors = run_ranks(ranks, [&](Communicator& rank) {
    const auto seed = unsigned(rank.rank());
    std::vector<float>& result = results[seed];
    const auto keep = [&](const std::vector<float>& values) {
      result.insert(result.end(), values.begin(), values.end());
    };
    for (const std::int64_t count : {3, 2047, 2048, 2049, 100'003}) {  // around what goes in one round
      std::vector<float> x = rough_values(seed, std::size_t(count));
      rank.all_reduce(queue(), view(x, 1, count));
      keep(x);
    }
    std::vector<float> mine = rough_values(seed, 6), all(6 * ranks.size());
    rank.all_gather(queue(), view(mine, 2, 3), view(all, 2 * rank.size(), 3));
    keep(all);
    RoutedTokens tokens = routed_tokens(seed, 5 * rank.rank(), 6, 19);
    OwnedBatch batch(5 * 8 * 7 / 2 * 6);
    rank.dispatch(queue(), view(tokens.rows, tokens.count, hidden),
                  {view(tokens.experts, tokens.count, 6), {}}, ExpertPlacement::spread(19, rank.size()),
                  batch.batch);
    keep(batch.rows);
    for (const std::int32_t expert : batch.experts) result.push_back(float(expert));
    std::vector<float> back(tokens.experts.size() * std::size_t(hidden));
    rank.combine(queue(), batch.batch.rows, view(back, tokens.count * 6, hidden));
    keep(back);
  });
  EXPECT_THAT(errors, Each(""));
  return results;
}

Ranks local_ranks(int ranks) {
  const LocalMesh mesh(ranks);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank) communicators.push_back(mesh.communicator(rank));
  return communicators;
}

TEST(Gloo, GivesTheSameBytesAsLocal) {
  for (const int ranks : {1, 2, 4, 8}) {
    const auto local = results_of(local_ranks(ranks)), gloo = results_of(gloo_ranks(ranks, patience));
    for (std::size_t rank = 0; rank < local.size(); ++rank) {
      EXPECT_TRUE(
          std::ranges::equal(std::as_bytes(std::span(local[rank])), std::as_bytes(std::span(gloo[rank]))))
          << rank << " of " << ranks;
    }
  }
}

void sum_some(Communicator& rank, std::int64_t count = 4) {
  std::vector<float> x(std::size_t(count), 1.0f);
  rank.all_reduce(queue(), view(x, 1, count));
}

TEST(Gloo, ARankThatLeavesIsAnErrorForWhoNeedsIt) {
  Ranks ranks = gloo_ranks(4, patience);
  EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }), Each(""));
  ranks.pop_back();  // rank 3
  const auto errors = run_ranks(ranks, [](Communicator& rank) { sum_some(rank); });
  EXPECT_THAT(errors, Each(HasSubstr("all_reduce: rank 3 left the epoch")));
}

TEST(Gloo, ARankThatLeavesWhileOthersWaitWakesThem) {
  for (const std::int64_t count : {4, 3'000'000}) {  // also in the middle of a message
    Ranks ranks = gloo_ranks(4, patience);
    const auto errors = run_ranks(ranks, [&](Communicator& rank) {
      if (rank.rank() == 1)
        ranks[1].reset();
      else
        sum_some(rank, count);
    });
    EXPECT_EQ(errors[1], "");
    for (const std::size_t rank : {0, 2, 3}) {
      EXPECT_THAT(errors[rank], HasSubstr("all_reduce: rank 1 left the epoch")) << rank;
    }
  }
}

// The address of rank 0, from one process to another.
class PipeStore final : public AddressStore {
 public:
  PipeStore() { EXPECT_EQ(pipe(ends_.data()), 0); }
  ~PipeStore() override {
    for (const int end : ends_) close(end);
  }
  void set(const std::string& key, const std::string& value) override {
    if (!key.ends_with("rank0")) return;
    EXPECT_EQ(write(ends_[1], value.data(), value.size()), ssize_t(value.size()));
  }
  std::optional<std::string> get(const std::string&, TimePoint) override {
    std::string value(100, '\0');
    value.resize(std::size_t(read(ends_[0], value.data(), value.size())));
    return value;
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(Gloo, AKilledProcessIsAnErrorAtOnce) {
  for (const std::int64_t count : {4, 3'000'000}) {
    PipeStore store;
    const pid_t child = fork();
    if (child == 0) {
      const auto rank = connect_gloo(gloo_options(1, 2), store);
      sum_some(*rank);
      pause();
    }
    const auto rank = connect_gloo(gloo_options(0, 2), store);
    sum_some(*rank);
    TimePoint killed;
    std::jthread killer([&] {
      killed = SteadyClock().now();
      kill(child, SIGKILL);
    });
    const std::string error = error_of([&] { sum_some(*rank, count); });
    const Duration taken = SteadyClock().now() - killed;
    EXPECT_EQ(error, "rank 0 of 2, all_reduce: lost the connection to rank 1");
    EXPECT_LT(taken, std::chrono::seconds(5));  // milliseconds, but for a machine that is busy
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
  }
}

// The last messages of a rank that has what it needs arrive, though it leaves at once.
TEST(Gloo, RanksLeaveWhenTheyAreDone) {
  for (int round = 0; round < 20; ++round) {
    Ranks ranks = gloo_ranks(4, patience);
    const auto errors = run_ranks(ranks, [&](Communicator& rank) {
      const auto self = std::size_t(rank.rank());
      sum_some(rank, 5000);
      ranks[self].reset();
    });
    EXPECT_THAT(errors, Each(""));
  }
}

TEST(Gloo, RanksInDifferentCollectivesWaitInVain) {
  Ranks ranks = gloo_ranks(2, std::chrono::milliseconds(50));
  const auto errors =
      run_ranks(ranks, [](Communicator& rank) { rank.rank() == 0 ? sum_some(rank, 4) : sum_some(rank, 5); });
  EXPECT_THAT(errors, Each(AnyOf(HasSubstr("rank 0 did not arrive"), HasSubstr("rank 1 did not arrive"))));
}

TEST(Gloo, EpochsFollowEachOther) {
  for (int epoch = 0; epoch < 3; ++epoch) {
    Ranks ranks = gloo_ranks(4, patience);
    EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }), Each(""));
    ranks[std::size_t(epoch)]->abort();
    EXPECT_THAT(run_ranks(ranks, [](Communicator& rank) { sum_some(rank); }),
                Each(HasSubstr("aborted by rank " + std::to_string(epoch))));
  }
}

// Connects all ranks but those missing; what each throws.
std::vector<std::string> rendezvous(MemoryStore& store, std::vector<GlooOptions> options,
                                    std::stop_token stop = {}) {
  std::vector<std::string> errors(options.size());
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < options.size(); ++i) {
    threads.emplace_back([&, i] { errors[i] = error_of([&] { connect_gloo(options[i], store, stop); }); });
  }
  threads.clear();
  return errors;
}

TEST(GlooRendezvous, NamesTheMissingRank) {
  for (const int missing : {0, 1, 3}) {
    MemoryStore store;
    std::vector<GlooOptions> options;
    for (int rank = 0; rank < 4; ++rank) {
      if (rank == missing) continue;
      options.push_back(gloo_options(rank, 4));
      options.back().connect_timeout = std::chrono::milliseconds(100);
    }
    EXPECT_THAT(rendezvous(store, options), Each(HasSubstr("rendezvous on 127.0.0.1: rank " +
                                                           std::to_string(missing) + " did not come")));
  }
}

TEST(GlooRendezvous, AcceptsAnInterface) {
  MemoryStore store;
  std::vector<GlooOptions> options{gloo_options(0, 2), gloo_options(1, 2)};
  for (GlooOptions& each : options) each.network = "lo";
  EXPECT_THAT(rendezvous(store, options), Each("no error"));
  for (GlooOptions& each : options) each.network = "no such thing";
  EXPECT_THAT(rendezvous(store, options), Each(HasSubstr("neither an IP address nor a network interface")));
}

TEST(GlooRendezvous, StopsWhenAsked) {
  MemoryStore store;
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(store.get("a secret/rank0", SteadyClock().now() + patience));
    stop.request_stop();
  });
  EXPECT_THAT(rendezvous(store, {gloo_options(0, 2)}, stop.get_token()),
              Each(HasSubstr("the epoch was aborted")));
}

// Hands a stranger's bytes to the port of each rank before anybody else learns of it.
class CrowdedStore final : public AddressStore {
 public:
  explicit CrowdedStore(MemoryStore& store) : store_(store) {}
  ~CrowdedStore() override {
    for (const int stranger : strangers_) close(stranger);
  }
  void set(const std::string& key, const std::string& value) override {
    for (int i = 0; i < 40; ++i) {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(std::uint16_t(std::stoi(value.substr(value.find(' ')))));
      const int stranger = socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_EQ(::connect(stranger, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
      const std::string words(std::size_t(i) * 16, 'x');  // too few, or a whole false greeting
      EXPECT_EQ(send(stranger, words.data(), words.size(), MSG_NOSIGNAL), ssize_t(words.size()));
      strangers_.push_back(stranger);
    }
    store_.set(key, value);
  }
  std::optional<std::string> get(const std::string& key, TimePoint deadline) override {
    return store_.get(key, deadline);
  }

 private:
  MemoryStore& store_;
  std::vector<int> strangers_;
};

TEST(GlooRendezvous, StrangersCostNothing) {
  MemoryStore store;
  CrowdedStore crowded(store);
  std::jthread other(
      [&] { EXPECT_EQ(error_of([&] { sum_some(*connect_gloo(gloo_options(1, 2), store)); }), "no error"); });
  EXPECT_EQ(error_of([&] { sum_some(*connect_gloo(gloo_options(0, 2), crowded)); }), "no error");
}

TEST(GlooRendezvous, ARankWithAnotherSecretIsNoPeer) {
  MemoryStore store;
  GlooOptions here = gloo_options(0, 2), there = gloo_options(1, 2);
  here.connect_timeout = std::chrono::milliseconds(200);
  there.secret = "another!";
  // It finds the address all the same.
  std::jthread finder(
      [&] { store.set("another!/rank0", *store.get("a secret/rank0", SteadyClock().now() + patience)); });
  const auto errors = rendezvous(store, {here, there});
  EXPECT_THAT(errors[0], HasSubstr("rank 1 did not come to the rendezvous in time"));
  EXPECT_THAT(errors[1], HasSubstr("rank 0 hung up"));
}

}  // namespace
}  // namespace troupe::transport
