#include "transport/host/tcp_mesh.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tests/error_of.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/host/tcp_ranks.hpp"
#include "transport/host/rendezvous.hpp"

namespace troupe::transport {
namespace {

INSTANTIATE_TEST_SUITE_P(Tcp, CommunicatorConformance,
                         testing::Combine(testing::Values(Backend{"Tcp", tcp_ranks}),
                                          testing::Values(1, 2, 4, 8)),
                         conformance_name);

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

TEST(TcpMesh, AKilledProcessIsAnErrorAtOnce) {
  for (const std::int64_t count : {4, 3'000'000}) {
    PipeStore store;
    const pid_t child = fork();
    if (child == 0) {
      const auto rank = connect_tcp(tcp_options(1, 2), store);
      sum_some(*rank);
      pause();
    }
    const auto rank = connect_tcp(tcp_options(0, 2), store);
    sum_some(*rank);
    TimePoint killed;
    std::jthread killer([&] {
      killed = now();
      kill(child, SIGKILL);
    });
    const std::string error = error_of([&] { sum_some(*rank, count); });
    const TimePoint failed = now();
    killer.join();
    const Duration taken = failed - killed;
    EXPECT_EQ(error, "rank 0 of 2, all_reduce: lost the connection to rank 1");
    EXPECT_LT(taken, std::chrono::seconds(5));  // milliseconds, but for a machine that is busy
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
  }
}

// All have shown the secret, but one is not ready yet.
TEST(TcpMesh, AnAbortWakesARankThatGreets) {
  MemoryStore store;
  std::vector<FileDescriptor> connections;
  std::stop_source stop;
  std::jthread peer([&] {
    connections = meet(tcp_options(1, 2), store, now() + patience, {});
    stop.request_stop();
  });
  EXPECT_EQ(error_of([&] { tcp_mesh(tcp_options(0, 2), store, stop.get_token()); }),
            "rank 0 of 2, connect: the epoch was aborted by rank 0");
}

// What a peer with the secret sends is an Error at worst.
TEST(TcpMesh, DoesNotTrustItsPeers) {
  struct Frame {
    std::uint32_t message = 0, reserved = 0;
    std::uint64_t bytes = 0;
  };
  const auto greeting = std::uint32_t(Message::greeting), sum = std::uint32_t(Message::whole_partials),
             farewell = std::uint32_t(Message::farewell);
  const std::vector<std::pair<std::vector<Frame>, std::string>> lies{
      {{{greeting, 0, 5}}, "connect: rank 1 greets in another way"},
      {{{77, 0, 0}}, "connect: rank 1 is in no collective that is known"},
      {{{greeting}, {sum, 0, 5}}, "all_reduce: rank 1 brings a tensor of another size"},
      {{{greeting}, {sum, 0, ~0ull}}, "all_reduce: rank 1 brings a message without end"},
      {{{greeting}, {farewell, 0, ~0ull}, {0x0a0a0a0a, 0x0a0a0a0a, ~0ull}}, "all_reduce: ????????"},
      {{{greeting}, {farewell, 0, 0}}, "all_reduce: lost the connection to rank 1"},
      {{{greeting}, {sum, 0, 16}}, "all_reduce: rank 1 did not arrive in time"},  // and nothing more
  };
  for (const auto& [frames, error] : lies) {
    MemoryStore store;
    std::jthread peer([&] {
      const auto connections = meet(tcp_options(1, 2), store, now() + patience, {});
      const auto bytes = std::as_bytes(std::span(frames));
      EXPECT_EQ(write(connections[0].get(), bytes.data(), bytes.size()), ssize_t(bytes.size()));
      while (read(connections[0].get(), std::array<char, 64>().data(), 64) != 0) std::this_thread::yield();
    });
    const TcpOptions options = tcp_options(0, 2, std::chrono::milliseconds(100));
    EXPECT_THAT(error_of([&] { sum_some(*connect_tcp(options, store)); }), testing::HasSubstr(error));
  }
}

}  // namespace
}  // namespace troupe::transport
