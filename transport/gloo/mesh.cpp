#include "transport/gloo/mesh.hpp"

#include <gloo/common/error.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "runtime/base/error.hpp"
#include "transport/gloo/peer.hpp"

namespace troupe::transport {

using ::gloo::transport::UnboundBuffer;

namespace {

// Gloo's own timeout would close the pairs before the peers are told why; the alarm is earlier.
constexpr std::chrono::milliseconds never = std::chrono::hours(24 * 365);
constexpr std::string_view left = "left";  // the farewell of a rank for which nothing failed

std::uint64_t slot_of(Message message, std::size_t bytes) {
  return std::uint64_t(message) << 56 | std::uint64_t(bytes);
}

std::string name_of(int rank) {
  return "rank " + std::to_string(rank);
}

// Gloo makes every pair listen at its birth, for the moment until it adopts its connection: on loopback.
::gloo::transport::tcp::attr loopback() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::gloo::transport::tcp::attr attributes;
  attributes.ai_family = AF_INET;
  attributes.ai_socktype = SOCK_STREAM;
  attributes.ai_protocol = 0;
  attributes.ai_addr = {};
  std::memcpy(&attributes.ai_addr, &address, sizeof address);
  attributes.ai_addrlen = sizeof address;
  return attributes;
}

}  // namespace

GlooMesh::GlooMesh(int rank, int size, Duration timeout)
    : rank_(rank), size_(size), timeout_(timeout), farewells_(std::size_t(size)) {}

GlooMesh::~GlooMesh() {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = left;
  }
  say_farewell();
  if (!context_) return;
  alarm_->keep_awake(*device_);
  // First all pairs are closed; a tick later the event thread has left their code and they may go.
  for (int other = 0; other < size_; ++other) {
    if (context_->getPair(other)) peer(other).retire();
  }
  alarm_->unlisten(*device_);
}

void GlooMesh::connect(std::vector<FileDescriptor> connections, TimePoint deadline) {
  if (size_ == 1) return;
  try {
    alarm_ = std::make_unique<Alarm>(*this);
    device_ = std::make_shared<::gloo::transport::tcp::Device>(loopback());
    alarm_->listen(*device_);
    context_ = std::make_shared<Context>(device_, *this);
    context_->setTimeout(never);
    farewell_buffers_in_ = make_buffers(farewells_.data(), sizeof(Farewell), sizeof(Farewell));
    farewell_buffers_out_ = make_buffers(&farewells_[std::size_t(rank_)], sizeof(Farewell), 0);
    for (int other = 0; other < size_; ++other) {
      if (other == rank_) continue;
      context_->createPair(other);
      peer(other).adopt(std::move(connections[std::size_t(other)]));
      farewell_buffers_in_[std::size_t(other)]->recv(other, slot_of(Message::farewell, sizeof(Farewell)));
    }
  } catch (const ::gloo::Exception& error) {
    throw Error(error.what(), name_of(rank_) + ", Gloo");
  }
  // A peer that has greeted is ready for farewells, too.
  outgoing(1, "connect")[0] = std::byte{1};
  incoming(1, "connect");
  const std::vector<Piece> greeting(std::size_t(size_), Piece{0, 1});
  exchange("connect", Message::greeting, greeting, greeting, deadline);
}

GlooMesh::Peer& GlooMesh::peer(int rank) const {
  return static_cast<Peer&>(*context_->getPair(rank));
}

// Each peer's buffer begins stride bytes after the last one's.
GlooMesh::Buffers GlooMesh::make_buffers(void* memory, std::size_t bytes, std::size_t stride) const {
  Buffers buffers;
  for (std::size_t other = 0; other < std::size_t(size_); ++other) {
    buffers.push_back(context_->createUnboundBuffer(static_cast<std::byte*>(memory) + other * stride, bytes));
  }
  return buffers;
}

std::byte* GlooMesh::grow(Arena& arena, std::size_t bytes, std::string_view collective) {
  check_alive(collective);  // so nothing is under way in the memory
  if (bytes > arena.bytes) {
    arena.buffers.clear();
    arena.bytes = std::bit_ceil(bytes);
    arena.memory = std::make_unique_for_overwrite<std::byte[]>(arena.bytes);
    if (context_) arena.buffers = make_buffers(arena.memory.get(), arena.bytes, 0);
  }
  return arena.memory.get();
}

void GlooMesh::exchange(std::string_view collective, Message message, std::span<const Piece> out,
                        std::span<const Piece> in) {
  exchange(collective, message, out, in, SteadyClock().now() + timeout_);
}

void GlooMesh::exchange(std::string_view collective, Message message, std::span<const Piece> out,
                        std::span<const Piece> in, TimePoint deadline) {
  check_alive(collective);
  if (size_ == 1) return;
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
  }
  alarm_->set(deadline);
  // Every rank begins with another peer, so that they do not all send to the same one.
  const auto each_peer = [&](std::span<const Piece> pieces, Arena& arena, auto call) {
    for (int apart = 1; apart < size_; ++apart) {
      const int other = (rank_ + apart) % size_;
      const Piece& piece = pieces[std::size_t(other)];
      if (piece.bytes > 0) call(other, piece, *arena.buffers[std::size_t(other)]);
    }
  };
  each_peer(in, incoming_, [&](int other, const Piece& piece, UnboundBuffer& buffer) {
    attempt(collective, other,
            [&] { buffer.recv(other, slot_of(message, piece.bytes), piece.offset, piece.bytes); });
  });
  each_peer(out, outgoing_, [&](int other, const Piece& piece, UnboundBuffer& buffer) {
    attempt(collective, other,
            [&] { buffer.send(other, slot_of(message, piece.bytes), piece.offset, piece.bytes); });
  });
  each_peer(in, incoming_, [&](int other, const Piece&, UnboundBuffer& buffer) {
    wait_for(collective, other, buffer, [&] { return buffer.waitRecv(nullptr, never); });
  });
  each_peer(out, outgoing_, [&](int other, const Piece&, UnboundBuffer& buffer) {
    wait_for(collective, other, buffer, [&] { return buffer.waitSend(nullptr, never); });
  });
  alarm_->put_off();
}

template <class Call>
void GlooMesh::attempt(std::string_view collective, int peer, Call call) {
  try {
    call();
    return;
  } catch (const ::gloo::Exception&) {  // says that the pair is closed, never why
  }
  {
    const std::lock_guard lock(mutex_);
    end(reason_of_loss(peer));
  }
  fail(collective);
}

template <class Call>
void GlooMesh::wait_for(std::string_view collective, int peer, UnboundBuffer& buffer, Call call) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) waiting_ = {&buffer, peer};
  }
  check_alive(collective);
  bool done = false;
  attempt(collective, peer, [&] { done = call(); });
  {
    const std::lock_guard lock(mutex_);
    waiting_ = {};
  }
  if (!done) fail(collective);
}

void GlooMesh::check_alive(std::string_view collective) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) return;
  }
  fail(collective);
}

void GlooMesh::fail(std::string_view collective) {
  say_farewell();
  const std::lock_guard lock(mutex_);
  throw Error(failure_, name_of(rank_) + " of " + std::to_string(size_) + ", " + std::string(collective));
}

void GlooMesh::end(std::string reason) {
  if (failure_.empty()) failure_ = std::move(reason);
  if (!waiting_.buffer) return;
  waiting_.buffer->abortWaitRecv();
  waiting_.buffer->abortWaitSend();
  waiting_ = {};
}

// The event thread has read the farewell, if there was one, before it closed the pair.
std::string GlooMesh::reason_of_loss(int peer) const {
  const Farewell& farewell = farewells_[std::size_t(peer)];
  if (!farewell.complete) return "lost the connection to " + name_of(peer);
  return farewell.reason() == left ? name_of(peer) + " left the epoch" : std::string(farewell.reason());
}

void GlooMesh::say_farewell() {
  Farewell& farewell = farewells_[std::size_t(rank_)];
  {
    const std::lock_guard lock(mutex_);
    if (said_farewell_) return;
    said_farewell_ = true;
    std::ranges::copy(std::string_view(failure_).substr(0, farewell.text.size()), farewell.text.begin());
    farewell.complete = true;
  }
  if (!context_) return;
  for (int other = 0; other < size_; ++other) {
    if (!context_->getPair(other)) continue;
    try {
      farewell_buffers_out_[std::size_t(other)]->send(other, slot_of(Message::farewell, sizeof(Farewell)));
    } catch (const ::gloo::Exception&) {  // it is gone already
    }
    peer(other).hang_up();
  }
}

void GlooMesh::lost(int peer) {
  const std::lock_guard lock(mutex_);
  const Farewell& farewell = farewells_[std::size_t(peer)];
  // A rank that left in peace had all that it needed. It is missed by who still waits for it, and Gloo wakes
  // that one.
  if (farewell.complete && farewell.reason() == left) return;
  end(reason_of_loss(peer));
}

void GlooMesh::check_deadline() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) return alarm_->put_off();
  if (waiting_.buffer && SteadyClock().now() >= deadline_) {
    end(name_of(waiting_.peer) + " did not arrive in time");
  }
}

void GlooMesh::abort() noexcept {
  {
    const std::lock_guard lock(mutex_);
    end("the epoch was aborted by " + name_of(rank_));
  }
  say_farewell();
}

}  // namespace troupe::transport
