#include "actors/link/handshakes.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <optional>
#include <vector>

namespace troupe::actors {
namespace {

using std::chrono::milliseconds;

// A connection, whose far end is a peer's.
struct Connection {
  Connection() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    near = FileDescriptor(ends[0]);
    far = FileDescriptor(ends[1]);
  }
  bool shut_down(int within_ms) const {
    pollfd ended{far.get(), POLLIN, 0};
    char nothing;
    return poll(&ended, 1, within_ms) == 1 && recv(far.get(), &nothing, 1, MSG_DONTWAIT) == 0;
  }
  FileDescriptor near, far;
};

constexpr int patience_ms = 60'000;

TEST(Handshakes, OneThatDoesNotEndIsGivenUp) {
  Handshakes handshakes(8, milliseconds(20));
  const Connection slow, ended;
  handshakes.goes_on(&slow, slow.near.get());
  handshakes.goes_on(&ended, ended.near.get());
  handshakes.is_over(&ended);
  EXPECT_TRUE(slow.shut_down(patience_ms));
  EXPECT_FALSE(ended.shut_down(0));
}

TEST(Handshakes, ItsTimeCountsFromItsBeginning) {
  Handshakes handshakes(8, milliseconds(50));
  const Connection busy;
  const TimePoint began = now();
  while (!busy.shut_down(1)) {
    handshakes.goes_on(&busy, busy.near.get());
    ASSERT_LT(now() - began, milliseconds(patience_ms));
  }
  EXPECT_GE(now() - began, milliseconds(50));
}

TEST(Handshakes, TheOldestGivesWay) {
  Handshakes handshakes(3, std::chrono::hours(1));
  const std::vector<Connection> all(5);
  for (const Connection& each : all) handshakes.goes_on(&each, each.near.get());
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].shut_down(0), i < 2) << i;
}

TEST(Handshakes, AnotherConnectionWithTheSameDescriptorIsLeftAlone) {
  Handshakes handshakes(1, std::chrono::hours(1));
  std::optional<Connection> first(std::in_place);
  const int descriptor = first->near.get();
  handshakes.goes_on(&first, descriptor);
  const Connection later;
  ASSERT_EQ(dup2(later.near.get(), descriptor),
            descriptor);  // the first one is closed, and nobody has said so
  const Connection newest;
  handshakes.goes_on(&newest, newest.near.get());
  EXPECT_TRUE(first->shut_down(0));
  EXPECT_FALSE(later.shut_down(0));
}

}  // namespace
}  // namespace troupe::actors
