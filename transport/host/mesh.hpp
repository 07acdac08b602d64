// How one rank reaches the others of one epoch: in an exchange it brings each of them one message and takes
// one from each. Owned by the rank's communicator; belongs to its compute thread, but for abort(), which any
// thread may call. After the first failure nothing works any more: the peers are told the reason and every
// call throws it. A mesh touches the memory of messages during an exchange only, from the thread that calls.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/clock.hpp"

namespace troupe::transport {

// What an exchange is for. It travels with every message, so that ranks which disagree about what comes next
// find out, rather than take one thing for the other.
enum class Message : std::uint32_t {
  greeting = 1,
  farewell,
  whole_partials,
  partial_slices,
  summed_slices,
  all_gather,
  dispatch,
  combine,
};
const char* collective_of(Message message);

using Bytes = std::span<const std::byte>;
// Gives memory for so many bytes of a rank's message, valid until the exchange ends; calls Mesh::fail if the
// message cannot have that size, which comes from the peer and may be anything up to max_message_bytes.
using Room = std::function<std::byte*(int from, std::size_t bytes)>;

constexpr std::uint64_t max_message_bytes = std::uint64_t(1) << 40;
constexpr std::size_t max_reason_bytes = 191;  // of why a rank ended its epoch, as its peers learn it

class Mesh {
 public:
  // size: a power of two. timeout: of each exchange.
  Mesh(int rank, int size, Duration timeout);
  virtual ~Mesh() = default;  // a mesh's own destructor tells the peers that this rank left
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Up to here a message to all costs less than a second exchange.
  virtual std::size_t cheap_bytes() const = 0;

  // Brings out[r] to every other rank r; all ranks name the same kind of message. Messages may be empty, and
  // several may be the same memory. Throws an Error that names the collective and the peer at fault.
  void exchange(Message message, std::span<const Bytes> out, const Room& room);
  void check_alive(Message message);
  // After the last exchange.
  void check_alive() { check_alive(message_); }
  // Ends the epoch of this rank with the reason, or with one that it had before, and throws that.
  [[noreturn]] void fail(std::string reason);
  void abort() noexcept;

 protected:
  // exchange() of a mesh with peers.
  virtual void swap_messages(Message message, std::span<const Bytes> out, const Room& room,
                             TimePoint deadline) = 0;
  // The epoch is over for this rank: wakes its own waiter and tells the peers why. Called once, from any thread;
  // does not block.
  virtual void end(std::string_view reason) noexcept = 0;

  bool over() const { return over_; }
  void leave() noexcept { finish(std::string(left)); }  // for destructors
  void expect(Message message, int from, Message theirs);
  [[noreturn]] void fail_for_missing(int peer) { fail(name_of(peer) + " did not arrive in time"); }
  // What a peer's last word means for those who need it.
  static std::string reason_of(int peer, std::string_view farewell);
  static std::string name_of(int rank) { return "rank " + std::to_string(rank); }

  // The last word of a rank for which nothing failed. It had all that it needed, so only who still needs it
  // fails.
  static constexpr std::string_view left = "left";

  const Duration timeout_;

 private:
  void finish(std::string reason) noexcept;

  const int rank_, size_;
  Message message_ = Message::greeting;  // of the exchange that runs, or ran last
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::string failure_;  // guarded by mutex_; why the epoch is over; empty while it is not
};

}  // namespace troupe::transport
