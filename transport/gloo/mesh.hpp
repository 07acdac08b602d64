// The connections of one rank to all others in one epoch, run by Gloo's event thread. exchange() belongs to
// the rank's compute thread; abort() may be called from any. After the first failure nothing works any more:
// the peers are told the reason and every call throws it.
#pragma once

#include <gloo/transport/tcp/context.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.hpp"
#include "transport/gloo/rendezvous.hpp"

namespace troupe::transport {

// Kinds of messages. The kind and the size make a message's slot, so that ranks which disagree about what
// comes next wait for each other in vain, rather than take one thing for the other.
enum class Message : std::uint8_t {
  greeting,
  farewell,
  whole_partials,
  partial_slices,
  summed_slices,
  all_gather,
  row_counts,
  rows,
  results,
};

// A part of the outgoing or incoming memory. Nothing is sent for an empty one.
struct Piece {
  std::size_t offset = 0, bytes = 0;
};

class GlooMesh {
 public:
  // timeout: of each exchange.
  GlooMesh(int rank, int size, Duration timeout);
  ~GlooMesh();  // tells the peers that this rank left
  GlooMesh(const GlooMesh&) = delete;
  GlooMesh& operator=(const GlooMesh&) = delete;

  // Once, before anything else: takes the connections, one for each other rank, and returns when all have.
  void connect(std::vector<FileDescriptor> connections, TimePoint deadline);

  int rank() const { return rank_; }
  int size() const { return size_; }

  // Memory to send from and to receive into, at least so many bytes, aligned for any element. Grows; valid
  // until the next call of the same function. What it held is lost. Throws when the epoch is over.
  std::byte* outgoing(std::size_t bytes, std::string_view collective) {
    return grow(outgoing_, bytes, collective);
  }
  std::byte* incoming(std::size_t bytes, std::string_view collective) {
    return grow(incoming_, bytes, collective);
  }
  const std::byte* received() const { return incoming_.memory.get(); }

  // Sends out[r] to and receives in[r] from every other rank r; returns when all is done. The sizes agree
  // with what the peers expect. Throws an Error that names the collective and the peer at fault.
  void exchange(std::string_view collective, Message message, std::span<const Piece> out,
                std::span<const Piece> in);
  void check_alive(std::string_view collective);

  void abort() noexcept;

 private:
  class Peer;
  class Context;
  class Alarm;
  using Buffers = std::vector<std::unique_ptr<::gloo::transport::UnboundBuffer>>;

  // Memory that all pairs know; each peer has a buffer of its own over the whole of it.
  struct Arena {
    std::unique_ptr<std::byte[]> memory;
    std::size_t bytes = 0;
    Buffers buffers;  // gone before the memory: their end waits for the event thread to let go of it
  };
  // The last word of a rank: why the epoch is over for it.
  struct Farewell {
    std::array<char, 191> text{};
    bool complete = false;

    std::string_view reason() const { return {text.data(), strnlen(text.data(), text.size())}; }
  };
  struct Wait {
    ::gloo::transport::UnboundBuffer* buffer = nullptr;
    int peer = -1;
  };

  Peer& peer(int rank) const;
  Buffers make_buffers(void* memory, std::size_t bytes, std::size_t stride) const;
  std::byte* grow(Arena& arena, std::size_t bytes, std::string_view collective);
  void exchange(std::string_view collective, Message message, std::span<const Piece> out,
                std::span<const Piece> in, TimePoint deadline);
  // What Gloo throws for a peer becomes the Error of the epoch.
  template <class Call>
  void attempt(std::string_view collective, int peer, Call call);
  template <class Call>
  void wait_for(std::string_view collective, int peer, ::gloo::transport::UnboundBuffer& buffer, Call call);

  void end(std::string reason);                // mutex_ held: keeps the first reason, wakes the waiter
  std::string reason_of_loss(int peer) const;  // mutex_ held, the pair is closed
  [[noreturn]] void fail(std::string_view collective);  // the epoch is over
  void say_farewell();                                  // not from the event thread
  void lost(int peer);                                  // from the event thread
  void check_deadline();                                // from the event thread

  const int rank_, size_;
  const Duration timeout_;
  std::vector<Farewell> farewells_;  // by rank; this rank's own is what it sends

  std::mutex mutex_;
  std::string failure_;  // why the epoch is over; empty while it is not
  bool said_farewell_ = false;
  Wait waiting_;
  TimePoint deadline_{};  // of the exchange that runs

  // In the order that they need each other. The device's end joins the event thread.
  std::unique_ptr<Alarm> alarm_;
  std::shared_ptr<::gloo::transport::tcp::Device> device_;
  std::shared_ptr<Context> context_;
  Buffers farewell_buffers_in_, farewell_buffers_out_;
  Arena outgoing_, incoming_;
};

}  // namespace troupe::transport
