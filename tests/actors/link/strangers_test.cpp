// A door whose callers mean it no good, in one process: the head and a node are two actor systems.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <fstream>
#include <thread>

#include "actors/link/certificate_authority.hpp"
#include "actors/link/link.hpp"
#include "actors/link/pem.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file_descriptor.hpp"

namespace troupe::actors {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Echo = caf::typed_actor<caf::replies_to<std::string>::with<std::string>>;
using Counter = caf::typed_actor<caf::replies_to<std::int64_t>::with<std::int64_t>>;

// CAF 0.17.6 dereferences a null pointer when an actor function takes no argument: hence what it says first.
Echo::behavior_type echo_actor(Echo::pointer, const std::string& first) {
  return {[first](const std::string& said) { return first + said; }};
}

constexpr int patience_ms = 60'000;

TlsIdentity identity_of(const CertificateAuthority& authority) {
  const Credentials own = authority.issue("localhost");
  return {authority.certificate_pem(), own.certificate, own.key};
}

struct Config : caf::actor_system_config {
  Config(const TlsIdentity& identity, const LinkLimits& limits) {
    set("logger.verbosity", caf::atom("quiet"));
    add_links(*this, identity, limits);
  }
};

struct Process {
  Process(const TlsIdentity& identity, const LinkLimits& limits = {})
      : config(identity, limits), system(config) {}
  Config config;
  caf::actor_system system;
};

struct Head : Process {
  using Process::Process;
  ~Head() { caf::anon_send_exit(echo, caf::exit_reason::user_shutdown); }
  Echo echo = system.spawn(echo_actor, "");
  std::uint16_t port = open_door(system, echo, "127.0.0.1", 0);
};

// A node with a link, which must last.
class Node : public Process {
 public:
  Node(const TlsIdentity& identity, const Head& head) : Process(identity), self_(system) {
    const auto linked = link_to(system, system.message_types(Echo()), "127.0.0.1", head.port);
    if (!linked) throw Error(system.render(linked.error()), "the node");
    echo_ = caf::actor_cast<Echo>(*linked);
    self_->monitor(echo_);
  }
  bool hears(const std::string& said) {
    bool heard = false;
    self_->request(echo_, milliseconds(patience_ms), said)
        .receive([&](const std::string& answer) { heard = answer == said; }, [](const caf::error&) {});
    return heard;
  }
  void says(const std::string& said) { self_->send(echo_, said); }
  bool lost(int within_ms = 0) {
    bool down = false;
    self_->receive([&](const caf::down_msg&) { down = true; }, caf::after(milliseconds(within_ms)) >> [] {});
    return down;
  }

 private:
  caf::scoped_actor self_;
  Echo echo_;
};

// A connection of someone who speaks no CAF.
class Caller {
 public:
  explicit Caller(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void say(std::string_view bytes) const {
    EXPECT_EQ(send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), ssize_t(bytes.size()));
  }
  // Reads all that comes until the end.
  bool cut_off(int within_ms) const {
    for (char bytes[4096];;) {
      pollfd readable{socket_.get(), POLLIN, 0};
      if (poll(&readable, 1, within_ms) != 1) return false;
      if (recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT) <= 0) return true;
    }
  }
  int descriptor() const { return socket_.get(); }

 private:
  FileDescriptor socket_;
};

// One who shows a certificate.
class Holder : public Caller {
 public:
  Holder(const TlsIdentity& identity, std::uint16_t port)
      : Caller(port), context_(tls_context(identity)), ssl_(SSL_new(context_.get()), SSL_free) {
    SSL_set_fd(ssl_.get(), descriptor());
    EXPECT_EQ(SSL_connect(ssl_.get()), 1);
  }
  void say(std::string_view bytes) {
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), int(bytes.size())), int(bytes.size()));
  }

 private:
  const TlsContext context_;
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
};

const std::string part_of_a_handshake("\x16\x03\x01\x02\x00\x01", 6);

// CAF's header, in network byte order: operation, two bytes of nothing, flags, length, data, two actors.
std::string direct_message(std::uint32_t claimed) {
  std::string header(32, '\0');
  header[0] = 2;
  for (int i = 0; i < 4; ++i) header[4 + i] = char(claimed >> (24 - 8 * i));
  header[31] = 1;
  return header;
}

// The most memory that this process ever held.
std::size_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      std::size_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes << 10;
    }
  return 0;
}

const CertificateAuthority& authority() {
  static const auto made = CertificateAuthority::make("the replica", std::chrono::days(1));
  return made;
}
const TlsIdentity& identity() {
  static const TlsIdentity made = identity_of(authority());
  return made;
}

TEST(Strangers, AHolderOfACertificateWhoClaimsFourGigabytesIsCutOffBeforeTheyAreAllocated) {
  const Head head(identity());
  Node node(identity(), head);
  const std::size_t before = peak_bytes();
  Holder holder(identity(), head.port);
  holder.say(direct_message(0xFFFFFFF0));
  EXPECT_TRUE(holder.cut_off(patience_ms));
  EXPECT_LT(peak_bytes() - before, LinkLimits().most_payload);
  EXPECT_TRUE(node.hears("well"));
  EXPECT_FALSE(node.lost());
}

TEST(Strangers, AMessageMayBeAsLongAsTheLimitAndNoLonger) {
  LinkLimits limits;
  limits.most_payload = 4096;
  const Head head(identity(), limits);
  Node node(identity(), head);
  EXPECT_TRUE(node.hears(std::string(3000, 'x')));
  EXPECT_FALSE(node.lost());
  node.says(std::string(4096, 'x'));
  EXPECT_TRUE(node.lost(patience_ms));
}

TEST(Strangers, TheOldestHandshakeGivesWay) {
  LinkLimits limits;
  limits.most_handshakes = 3;
  limits.handshake_limit = hours(1);
  const Head head(identity(), limits);
  std::vector<Caller> callers;
  for (int i = 0; i < 5; ++i) callers.emplace_back(head.port).say(part_of_a_handshake);
  EXPECT_TRUE(callers[0].cut_off(patience_ms));
  EXPECT_TRUE(callers[1].cut_off(patience_ms));
  for (int i = 2; i < 5; ++i) EXPECT_FALSE(callers[std::size_t(i)].cut_off(0)) << i;
  Node node(identity(), head);
  EXPECT_TRUE(node.hears("well"));
}

TEST(Strangers, AHandshakeThatDoesNotEndIsCutOff) {
  LinkLimits limits;
  limits.handshake_limit = milliseconds(50);
  const Head head(identity(), limits);
  const Caller caller(head.port);
  caller.say(part_of_a_handshake);
  EXPECT_TRUE(caller.cut_off(patience_ms));
}

TEST(Strangers, AHolderOfACertificateWhoSaysNothingIsCutOff) {
  LinkLimits limits;
  limits.handshake_limit = std::chrono::seconds(1);
  const Head head(identity(), limits);
  const Holder silent(identity(), head.port);
  EXPECT_TRUE(silent.cut_off(patience_ms));
}

TEST(Strangers, AConnectionThatFailsCostsNoOtherOneItsLink) {
  const Head head(identity());
  std::vector<std::unique_ptr<Node>> nodes;
  for (int round = 0; round < 30; ++round) {
    const Caller garbage(head.port), leaves(head.port);
    garbage.say("GET / HTTP/1.1\r\n\r\n");
    leaves.say(part_of_a_handshake);
    Holder malformed(identity(), head.port);
    malformed.say(std::string(32, '\xFF'));
    if (round % 10 == 0) nodes.push_back(std::make_unique<Node>(identity(), head));
    EXPECT_TRUE(garbage.cut_off(patience_ms));
    EXPECT_TRUE(malformed.cut_off(patience_ms));
    for (auto& node : nodes) {
      EXPECT_TRUE(node->hears("well"));
      EXPECT_FALSE(node->lost());
    }
  }
}

// One thread serves all connections, OpenSSL keeps errors by thread, and descriptors are used again at once.
TEST(Strangers, ALinkBeginsWhileOtherConnectionsFail) {
  const Head head(identity());
  const std::jthread strangers([&](const std::stop_token& over) {
    while (!over.stop_requested()) {
      std::vector<Caller> callers;
      for (int i = 0; i < 8; ++i) callers.emplace_back(head.port);
      for (const Caller& each : callers) each.say("GET / HTTP/1.1\r\n\r\n");
      for (const Caller& each : callers) EXPECT_TRUE(each.cut_off(patience_ms));
    }
  });
  for (int i = 0; i < 40; ++i) {
    Node node(identity(), head);
    EXPECT_TRUE(node.hears("well"));
    EXPECT_FALSE(node.lost());
  }
}

TEST(Strangers, WithoutACertificateOfTheAuthorityThereIsNoLink) {
  const TlsIdentity other = identity_of(CertificateAuthority::make("another", std::chrono::days(1)));
  const Head head(identity());
  Process stranger(other);
  EXPECT_FALSE(link_to(stranger.system, {}, "127.0.0.1", head.port));
  // And a node trusts no head of another authority.
  const Head trap(other);
  Process node(identity());
  EXPECT_FALSE(link_to(node.system, {}, "127.0.0.1", trap.port));
}

TEST(Strangers, AnActorOfAnotherInterfaceIsNotTakenForTheExpectedOne) {
  const Head head(identity());
  Process node(identity());
  const auto linked = link_to(node.system, node.system.message_types(Counter()), "127.0.0.1", head.port);
  ASSERT_FALSE(linked);
  EXPECT_EQ(linked.error(), caf::sec::unexpected_actor_messaging_interface);
}

TEST(Strangers, AnIdentityThatCannotBeReadIsRefused) {
  TlsIdentity broken = identity();
  broken.key = identity_of(authority()).key;
  EXPECT_THROW(tls_context(broken), Error);
  broken = identity();
  broken.authority = "none";
  EXPECT_THROW(tls_context(broken), Error);
}

}  // namespace
}  // namespace troupe::actors
