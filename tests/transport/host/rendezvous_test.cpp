#include "transport/host/rendezvous.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/error_of.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/host/tcp_ranks.hpp"

namespace troupe::transport {
namespace {

using testing::Each;
using testing::HasSubstr;

// Connects all ranks but those missing; what each throws.
std::vector<std::string> rendezvous(MemoryStore& store, std::vector<TcpOptions> options,
                                    std::stop_token stop = {}) {
  std::vector<std::string> errors(options.size());
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < options.size(); ++i) {
    threads.emplace_back([&, i] { errors[i] = error_of([&] { connect_tcp(options[i], store, stop); }); });
  }
  threads.clear();
  return errors;
}

TEST(Rendezvous, NamesTheMissingRank) {
  for (const int missing : {0, 1, 3}) {
    MemoryStore store;
    std::vector<TcpOptions> options;
    for (int rank = 0; rank < 4; ++rank) {
      if (rank == missing) continue;
      options.push_back(tcp_options(rank, 4));
      options.back().connect_timeout = std::chrono::milliseconds(100);
    }
    EXPECT_THAT(rendezvous(store, options), Each(HasSubstr("rendezvous on 127.0.0.1: rank " +
                                                           std::to_string(missing) + " did not come")));
  }
}

TEST(Rendezvous, AcceptsAnInterface) {
  MemoryStore store;
  std::vector<TcpOptions> options{tcp_options(0, 2), tcp_options(1, 2)};
  for (TcpOptions& each : options) each.network = "lo";
  EXPECT_THAT(rendezvous(store, options), Each("no error"));
  for (TcpOptions& each : options) each.network = "no such thing";
  EXPECT_THAT(rendezvous(store, options), Each(HasSubstr("neither an IP address nor a network interface")));
}

TEST(Rendezvous, StopsWhenAsked) {
  MemoryStore store;
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(store.get("a secret/rank0", now() + patience));
    stop.request_stop();
  });
  EXPECT_THAT(rendezvous(store, {tcp_options(0, 2)}, stop.get_token()),
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

TEST(Rendezvous, FindsTheInterfaceOfANetwork) {
  EXPECT_EQ(interface_of("lo"), "lo");
  EXPECT_EQ(interface_of("127.0.0.1"), "lo");
  for (const char* unknown : {"", "nowhere0", "192.0.2.1"}) EXPECT_EQ(interface_of(unknown), "") << unknown;
}

TEST(Rendezvous, StrangersCostNothing) {
  MemoryStore store;
  CrowdedStore crowded(store);
  std::jthread other(
      [&] { EXPECT_EQ(error_of([&] { sum_some(*connect_tcp(tcp_options(1, 2), store)); }), "no error"); });
  EXPECT_EQ(error_of([&] { sum_some(*connect_tcp(tcp_options(0, 2), crowded)); }), "no error");
}

TEST(Rendezvous, ARankWithAnotherSecretIsNoPeer) {
  MemoryStore store;
  TcpOptions here = tcp_options(0, 2), there = tcp_options(1, 2);
  here.connect_timeout = std::chrono::milliseconds(200);
  there.secret = "another!";
  // It finds the address all the same.
  std::jthread finder([&] { store.set("another!/rank0", *store.get("a secret/rank0", now() + patience)); });
  const auto errors = rendezvous(store, {here, there});
  EXPECT_THAT(errors[0], HasSubstr("rank 1 did not come to the rendezvous in time"));
  EXPECT_THAT(errors[1], HasSubstr("rank 0 hung up"));
}

}  // namespace
}  // namespace troupe::transport
