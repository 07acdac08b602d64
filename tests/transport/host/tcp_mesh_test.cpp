#include "transport/host/tcp_mesh.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tests/error_of.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/host/tcp_ranks.hpp"

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

}  // namespace
}  // namespace troupe::transport
