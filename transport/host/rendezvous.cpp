#include "transport/host/rendezvous.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include "runtime/base/error.hpp"

namespace troupe::transport {
namespace {

constexpr std::size_t max_unknown_callers = 16;  // connections that have not shown the secret yet

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

std::optional<Address> parse_address(const std::string& host, const std::string& port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return std::nullopt;
  Address address;
  address.length = found->ai_addrlen;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

std::optional<Address> address_of_interface(const std::string& name) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return std::nullopt;
  std::optional<Address> address;
  for (const ifaddrs* one = all; one && !address; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || name != one->ifa_name) continue;
    address.emplace().length = sizeof(sockaddr_in);
    std::memcpy(&address->storage, one->ifa_addr, sizeof(sockaddr_in));
  }
  freeifaddrs(all);
  return address;
}

bool same_host(const sockaddr& a, const sockaddr& b) {
  if (a.sa_family != b.sa_family) return false;
  if (a.sa_family == AF_INET)
    return reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(b).sin_addr.s_addr;
  return a.sa_family == AF_INET6 &&
         std::memcmp(&reinterpret_cast<const sockaddr_in6&>(a).sin6_addr,
                     &reinterpret_cast<const sockaddr_in6&>(b).sin6_addr, sizeof(in6_addr)) == 0;
}

const std::string aborted = "the epoch was aborted";
constexpr const char* no_address = "neither an IP address nor a network interface that has one";

std::optional<Address> own_address(const std::string& network) {
  const auto address = parse_address(network, "0");
  return address ? address : address_of_interface(network);
}

// What both sides of a connection send first.
struct Hello {
  std::array<char, 8> protocol{'t', 'r', 'o', 'u', 'p', 'e', '/', '1'};
  std::int32_t from = 0, to = 0;
  std::array<char, max_epoch_secret> secret{};

  // Takes the same time wherever the secrets differ.
  bool shows_secret_of(const Hello& other) const {
    int difference = 0;
    for (std::size_t i = 0; i < secret.size(); ++i) difference |= secret[i] ^ other.secret[i];
    return difference == 0 && protocol == other.protocol;
  }
};

// A Hello that arrives in pieces.
struct Caller {
  FileDescriptor socket;
  Hello hello{};
  std::size_t received = 0;

  bool complete() const { return received == sizeof hello; }
  bool receive() {  // false: the caller is gone
    const ssize_t count =
        recv(socket.get(), reinterpret_cast<char*>(&hello) + received, sizeof hello - received, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    received += std::size_t(count);
    return count > 0;
  }
};

class Meeting {
 public:
  Meeting(const TcpOptions& options, AddressStore& store, TimePoint deadline, const std::stop_token& stop)
      : options_(options),
        store_(store),
        deadline_(deadline),
        stop_(stop),
        stopped_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        peers_(std::size_t(options.size)) {
    if (!stopped_) fail(std::strerror(errno));
  }

  std::vector<FileDescriptor> hold() {
    const std::stop_callback wake(stop_, [this] { eventfd_write(stopped_.get(), 1); });
    listen();
    // In order: a rank below is met only by those that have met all ranks below it, so that whoever waits in
    // vain waits for the rank that is missing.
    for (int rank = 0; rank < options_.rank; ++rank) peers_[std::size_t(rank)] = connect(rank);
    accept_ranks_above();
    return std::move(peers_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(what, "rank " + std::to_string(options_.rank) + " of " + std::to_string(options_.size) +
                          ", rendezvous on " + options_.network);
  }

  std::string key(int rank) const { return options_.secret + "/rank" + std::to_string(rank); }

  Hello hello_to(int rank) const {
    Hello hello;
    hello.from = options_.rank;
    hello.to = rank;
    std::ranges::copy(options_.secret, hello.secret.begin());
    return hello;
  }

  void listen() {
    auto address = own_address(options_.network);
    if (!address) fail(no_address);
    listener_ =
        FileDescriptor(socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!listener_ || bind(listener_.get(), address->get(), address->length) != 0 ||
        ::listen(listener_.get(), SOMAXCONN) != 0 ||
        getsockname(listener_.get(), address->get(), &address->length) != 0) {
      fail(std::string("cannot listen: ") + std::strerror(errno));
    }
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (getnameinfo(address->get(), address->length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
      fail("the address has no text");
    }
    store_.set(key(options_.rank), std::string(host.data()) + ' ' + port.data());
  }

  // Returns when any of the descriptors has something; whom: what to say at the deadline.
  void wait(std::vector<pollfd>& descriptors, const std::string& whom) const {
    descriptors.push_back({stopped_.get(), POLLIN, 0});
    for (;;) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - now());
      if (stop_.stop_requested()) fail(aborted);
      if (left.count() <= 0) fail(whom);
      const int ready = poll(descriptors.data(), descriptors.size(), int(left.count()));
      if (ready < 0 && errno != EINTR) fail(std::string("poll: ") + std::strerror(errno));
      if (ready > 0 && descriptors.back().revents == 0) break;
    }
    descriptors.pop_back();
  }
  void wait(int fd, short events, const std::string& whom) const {
    std::vector<pollfd> one{{fd, events, 0}};
    wait(one, whom);
  }

  FileDescriptor connect(int rank) const {
    const std::string name = "rank " + std::to_string(rank);
    const auto text = store_.get(key(rank), deadline_);
    if (!text) fail(stop_.stop_requested() ? aborted : name + " did not come to the rendezvous in time");
    const std::size_t space = text->find(' ');
    const auto address = space == std::string::npos
                             ? std::nullopt
                             : parse_address(text->substr(0, space), text->substr(space + 1));
    if (!address) fail(name + " left no address in the store");

    Caller peer{
        FileDescriptor(socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
    int error = 0;
    socklen_t length = sizeof error;
    if (::connect(peer.socket.get(), address->get(), address->length) != 0 && errno != EINPROGRESS) {
      fail("cannot connect to " + name + " at " + *text + ": " + std::strerror(errno));
    }
    wait(peer.socket.get(), POLLOUT, name + " at " + *text + " cannot be reached in time");
    getsockopt(peer.socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) fail("cannot connect to " + name + " at " + *text + ": " + std::strerror(error));

    const Hello mine = hello_to(rank);
    if (!send_hello(peer.socket, mine)) fail(name + " hung up");
    while (!peer.complete()) {
      wait(peer.socket.get(), POLLIN, name + " did not answer in time");
      if (!peer.receive()) fail(name + " hung up");
    }
    if (!peer.hello.shows_secret_of(mine) || peer.hello.from != rank || peer.hello.to != options_.rank) {
      fail(name + " did not show the epoch's secret");
    }
    return std::move(peer.socket);
  }

  // A new connection's socket buffer holds all of it.
  static bool send_hello(const FileDescriptor& socket, const Hello& hello) {
    return send(socket.get(), &hello, sizeof hello, MSG_NOSIGNAL) == ssize_t(sizeof hello);
  }

  std::string missing_ranks() const {
    std::string names;
    for (int rank = options_.rank + 1; rank < options_.size; ++rank) {
      if (!peers_[std::size_t(rank)]) names += (names.empty() ? "rank " : ", rank ") + std::to_string(rank);
    }
    return names;
  }

  void accept_ranks_above() {
    for (std::string missing; !(missing = missing_ranks()).empty();) {
      std::vector<pollfd> descriptors{{listener_.get(), POLLIN, 0}};
      for (const Caller& caller : callers_) descriptors.push_back({caller.socket.get(), POLLIN, 0});
      wait(descriptors, missing + " did not come to the rendezvous in time");
      for (Caller& caller : callers_) {
        if (!caller.receive()) caller.socket = {};
        if (caller.complete()) welcome(caller);
      }
      std::erase_if(callers_, [](const Caller& caller) { return !caller.socket; });
      if (FileDescriptor socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
          socket) {
        if (callers_.size() == max_unknown_callers) callers_.pop_front();
        callers_.push_back({std::move(socket)});
      }
    }
  }

  // Makes the caller a peer, or hangs up on it.
  void welcome(Caller& caller) {
    FileDescriptor socket = std::move(caller.socket);
    const int rank = caller.hello.from;
    if (!caller.hello.shows_secret_of(hello_to(rank)) || caller.hello.to != options_.rank) return;
    if (rank <= options_.rank || rank >= options_.size || peers_[std::size_t(rank)]) return;
    if (send_hello(socket, hello_to(rank))) peers_[std::size_t(rank)] = std::move(socket);
  }

  const TcpOptions& options_;
  AddressStore& store_;
  const TimePoint deadline_;
  const std::stop_token stop_;
  const FileDescriptor stopped_;
  FileDescriptor listener_;
  std::deque<Caller> callers_;
  std::vector<FileDescriptor> peers_;
};

}  // namespace

std::string interface_of(const std::string& network) {
  const auto address = own_address(network);
  ifaddrs* all = nullptr;
  if (!address || getifaddrs(&all) != 0) return "";
  std::string name;
  for (const ifaddrs* one = all; one && name.empty(); one = one->ifa_next)
    if (network == one->ifa_name || (one->ifa_addr && same_host(*one->ifa_addr, *address->get())))
      name = one->ifa_name;
  freeifaddrs(all);
  return name;
}

void check_network(const std::string& network) {
  const auto address = own_address(network);
  if (!address) throw Error(no_address, network, "see `ip address` for what this host has");
  const FileDescriptor socket(::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(socket.get(), address->get(), address->length) != 0)
    throw Error(std::strerror(errno), network, "see `ip address` for what this host has");
}

std::vector<FileDescriptor> meet(const TcpOptions& options, AddressStore& store, TimePoint deadline,
                                 const std::stop_token& stop) {
  return Meeting(options, store, deadline, stop).hold();
}

}  // namespace troupe::transport
