#include "transport/host/tcp_mesh.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "runtime/base/error.hpp"
#include "transport/host/rendezvous.hpp"

namespace troupe::transport {
namespace {

// What goes before each message.
struct Header {
  Message message{};
  std::uint32_t reserved = 0;
  std::uint64_t bytes = 0;
};

enum class Progress { more, none, lost };

// Of a call that moves data unless it would block.
Progress outcome_of(ssize_t count) {
  if (count > 0) return Progress::more;
  return count < 0 && (errno == EAGAIN || errno == EINTR) ? Progress::none : Progress::lost;
}

struct Peer {
  FileDescriptor socket;
  std::optional<std::string> last_word;  // of a peer that has hung up
  // Of the exchange that runs:
  Header sending, receiving;
  Bytes payload;
  std::byte* room = nullptr;
  std::size_t sent = 0, received = 0;  // header and payload

  std::size_t to_send() const { return sizeof sending + payload.size(); }
  bool all_sent() const { return sent == to_send(); }
  bool header_received() const { return received >= sizeof receiving; }
  bool all_received() const { return header_received() && received == sizeof receiving + receiving.bytes; }
  bool done() const { return all_sent() && all_received(); }
  bool within_a_message() const { return sent > 0 && !all_sent(); }
};

class TcpMesh final : public Mesh {
 public:
  TcpMesh(const TcpOptions& options, std::vector<FileDescriptor> connections)
      : Mesh(options.rank, options.size, options.timeout),
        woken_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        peers_(connections.size()) {
    if (!woken_) throw Error(std::strerror(errno), "eventfd");
    const int yes = 1;
    for (std::size_t r = 0; r < peers_.size(); ++r) {
      peers_[r].socket = std::move(connections[r]);
      setsockopt(peers_[r].socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
  }
  ~TcpMesh() override {
    leave();
    // What lies unread at the end would have the kernel throw away what peers have not got yet.
    std::array<std::byte, 4096> rest;
    for (const Peer& peer : peers_)
      while (peer.socket && recv(peer.socket.get(), rest.data(), rest.size(), MSG_DONTWAIT) > 0) {
      }
  }

  std::size_t cheap_bytes() const override { return 8 << 10; }

  // All ranks are connected when they have greeted each other.
  void greet(TimePoint deadline) {
    check_alive(Message::greeting);
    const std::vector<Bytes> nothing(peers_.size());
    const auto no_room = [this](int from, std::size_t bytes) -> std::byte* {
      if (bytes > 0) fail(name_of(from) + " greets in another way");
      return nullptr;
    };
    swap_messages(Message::greeting, nothing, no_room, deadline);
  }

 private:
  void swap_messages(Message message, std::span<const Bytes> out, const Room& room,
                     TimePoint deadline) override;
  bool all_done() const;
  void send_to(int rank);
  void receive_from(int rank, Message message, const Room& room);
  void hung_up(int rank);
  void wait_for_news(TimePoint deadline);
  [[noreturn]] void lost(int rank);
  static void learn_last_word(Peer& peer);
  void end(std::string_view reason) noexcept override;

  const FileDescriptor woken_;  // readable once the epoch is over for this rank
  std::vector<Peer> peers_;     // by rank
  std::vector<pollfd> polled_;  // one a rank, then woken_
  std::mutex sending_;          // whoever writes to sockets, or changes what was sent
};

void TcpMesh::swap_messages(Message message, std::span<const Bytes> out, const Room& room,
                            TimePoint deadline) {
  {
    const std::lock_guard lock(sending_);
    for (std::size_t r = 0; r < peers_.size(); ++r) {
      Peer& peer = peers_[r];
      peer.payload = int(r) == rank() ? Bytes{} : out[r];
      peer.sending = {message, 0, peer.payload.size()};
      peer.sent = peer.received = 0;
    }
  }
  polled_.assign(peers_.size() + 1, {});
  // Every rank begins with another peer, so that they do not all send to the same one.
  for (int apart = 1; apart < size(); ++apart) send_to((rank() + apart) % size());
  while (!all_done()) {
    wait_for_news(deadline);
    for (int r = 0; r < size(); ++r) {
      const short events = polled_[std::size_t(r)].revents;
      if (events == 0) continue;
      Peer& peer = peers_[std::size_t(r)];
      if (!peer.all_received()) receive_from(r, message, room);
      if (peer.all_received() && (events & (POLLRDHUP | POLLHUP | POLLERR)) != 0) hung_up(r);
      if (!peer.all_sent()) send_to(r);
    }
  }
}

bool TcpMesh::all_done() const {
  for (int r = 0; r < size(); ++r)
    if (r != rank() && !peers_[std::size_t(r)].done()) return false;
  return true;
}

void TcpMesh::wait_for_news(TimePoint deadline) {
  for (std::size_t r = 0; r < peers_.size(); ++r) {
    const Peer& peer = peers_[r];
    // Of a peer whose message has come only its end matters: its next message may be there already.
    const int events = (peer.all_sent() ? 0 : POLLOUT) | (peer.all_received() ? 0 : POLLIN) | POLLRDHUP;
    polled_[r] = {peer.done() && peer.last_word ? -1 : peer.socket.get(), short(events), 0};
  }
  polled_.back() = {woken_.get(), POLLIN, 0};
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock().now());
    const int wait = int(std::clamp<std::int64_t>(left.count(), 0, std::numeric_limits<int>::max()));
    const int ready = poll(polled_.data(), polled_.size(), wait);
    if (ready < 0 && errno != EINTR) fail(std::string("poll: ") + std::strerror(errno));
    if (over()) fail({});
    if (ready > 0) return;
    if (left.count() > 0) continue;
    for (int r = 0; r < size(); ++r)
      if (r != rank() && !peers_[std::size_t(r)].all_received()) fail_for_missing(r);
    for (int r = 0; r < size(); ++r)
      if (r != rank() && !peers_[std::size_t(r)].done()) fail_for_missing(r);
  }
}

void TcpMesh::send_to(int rank) {
  Peer& peer = peers_[std::size_t(rank)];
  Progress progress = Progress::more;
  while (progress == Progress::more && !peer.all_sent()) {
    const std::lock_guard lock(sending_);
    if (over()) return;
    const std::size_t of_header = std::min(peer.sent, sizeof(Header)), of_payload = peer.sent - of_header;
    iovec parts[]{
        {reinterpret_cast<char*>(&peer.sending) + of_header, sizeof(Header) - of_header},
        {const_cast<std::byte*>(peer.payload.data()) + of_payload, peer.payload.size() - of_payload}};
    msghdr what{};
    what.msg_iov = parts;
    what.msg_iovlen = 2;
    const ssize_t count = sendmsg(peer.socket.get(), &what, MSG_NOSIGNAL | MSG_DONTWAIT);
    progress = outcome_of(count);
    if (count > 0) peer.sent += std::size_t(count);
  }
  if (progress == Progress::lost) lost(rank);
}

void TcpMesh::receive_from(int rank, Message message, const Room& room) {
  Peer& peer = peers_[std::size_t(rank)];
  while (!peer.all_received()) {
    std::byte* to = reinterpret_cast<std::byte*>(&peer.receiving) + peer.received;
    std::size_t wanted = sizeof(Header) - peer.received;
    if (peer.header_received()) {
      const std::size_t of_payload = peer.received - sizeof(Header);
      to = peer.room + of_payload;
      wanted = std::size_t(peer.receiving.bytes) - of_payload;
    }
    const ssize_t count = recv(peer.socket.get(), to, wanted, MSG_DONTWAIT);
    const Progress progress = outcome_of(count);
    if (progress == Progress::lost) lost(rank);
    if (progress == Progress::none) return;
    const bool had_header = peer.header_received();
    peer.received += std::size_t(count);
    if (had_header || !peer.header_received()) continue;
    if (peer.receiving.message == Message::farewell) lost(rank);
    expect(message, rank, peer.receiving.message);
    if (peer.receiving.bytes > max_message_bytes) fail(name_of(rank) + " brings a message without end");
    peer.room = room(rank, std::size_t(peer.receiving.bytes));
  }
}

// A peer whose message has come hangs up. It may have needed no more than it has.
void TcpMesh::hung_up(int rank) {
  Peer& peer = peers_[std::size_t(rank)];
  const Header receiving = peer.receiving;
  const std::size_t received = peer.received;
  learn_last_word(peer);
  if (!peer.all_sent() || peer.last_word != left) lost(rank);
  peer.receiving = receiving;
  peer.received = received;
}

void TcpMesh::lost(int rank) {
  Peer& peer = peers_[std::size_t(rank)];
  if (!peer.last_word) learn_last_word(peer);
  fail(peer.last_word ? reason_of(rank, *peer.last_word) : "lost the connection to " + name_of(rank));
}

// Reads on, past what is left of the peer's message, to its farewell, if that has come.
void TcpMesh::learn_last_word(Peer& peer) {
  std::array<char, 4096> scrap;
  const auto read = [&](void* to, std::size_t bytes) {
    const ssize_t count = recv(peer.socket.get(), to, bytes, MSG_DONTWAIT);
    if (count > 0) peer.received += std::size_t(count);
    return count > 0;
  };
  for (;; peer.received = 0) {
    while (!peer.header_received())
      if (!read(reinterpret_cast<char*>(&peer.receiving) + peer.received, sizeof(Header) - peer.received))
        return;
    if (peer.receiving.message == Message::farewell) break;
    while (!peer.all_received()) {
      const std::uint64_t left_over = sizeof(Header) + peer.receiving.bytes - peer.received;
      if (!read(scrap.data(), std::size_t(std::min<std::uint64_t>(left_over, scrap.size())))) return;
    }
  }
  const std::size_t before = peer.received;
  if (!read(scrap.data(), max_reason_bytes)) return;
  peer.last_word = std::string(scrap.data(), peer.received - before);
}

void TcpMesh::end(std::string_view reason) noexcept {
  eventfd_write(woken_.get(), 1);
  reason = reason.substr(0, max_reason_bytes);
  std::array<char, sizeof(Header) + max_reason_bytes> farewell;
  const Header header{Message::farewell, 0, reason.size()};
  std::memcpy(farewell.data(), &header, sizeof header);
  std::ranges::copy(reason, farewell.begin() + sizeof header);
  const std::lock_guard lock(sending_);
  for (const Peer& peer : peers_) {
    if (!peer.socket) continue;
    // A peer that has half a message could not tell where this begins.
    if (!peer.within_a_message())
      send(peer.socket.get(), farewell.data(), sizeof header + reason.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(peer.socket.get(), SHUT_WR);
  }
}

}  // namespace

std::unique_ptr<Mesh> tcp_mesh(const TcpOptions& options, AddressStore& store, std::stop_token stop) {
  CHECK(options.secret.size() <= max_epoch_secret, "the epoch's secret is too long");
  const TimePoint deadline = SteadyClock().now() + options.connect_timeout;
  auto mesh = std::make_unique<TcpMesh>(
      options, options.size > 1 ? meet(options, store, deadline, stop) : std::vector<FileDescriptor>(1));
  const std::stop_callback wake(stop, [&] { mesh->abort(); });
  mesh->greet(deadline);
  return mesh;
}

}  // namespace troupe::transport
