// The memory through which the ranks of one host exchange messages. Their node makes it and every worker
// inherits it, so it outlives ranks and epochs: all zero when new, afterwards whatever ranks left there,
// however they ended. It is sparse; pages that nobody touched cost nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "runtime/base/memory_file.hpp"
#include "transport/host/mesh.hpp"

namespace troupe::transport {

constexpr int max_ranks_of_host = 64;        // as many as a word of Box::awaited has bits
constexpr std::size_t slot_bytes = 1 << 20;  // longer messages go piece by piece

// Where a message lies among all those of an exchange, one after another.
struct Piece {
  std::uint64_t offset = 0, bytes = 0;
};

// What a rank brings to an exchange.
struct Announcement {
  Message message{};
  std::uint64_t bytes = 0;                        // of all messages
  std::array<Piece, max_ranks_of_host> pieces{};  // by rank of the communicator
};

// One rank's part of one communicator. The rank itself writes it, but for what peers ring.
struct Box {
  static constexpr std::uint32_t going_on = 0, ended = 1;

  alignas(64) std::atomic<std::uint64_t> epoch;  // in which the rank has arrived: a hash of its secret
  std::atomic<std::uint64_t> round;              // of slots that it has filled in this epoch
  std::atomic<std::uint32_t> state;              // ended: farewell says why
  std::uint32_t farewell_bytes;
  std::array<char, max_reason_bytes> farewell;
  // What the rank sleeps on; grows with each ring. A peer rings when it clears the last bit of awaited, where
  // the rank says for whom it waits, and when its own epoch ends.
  alignas(64) std::atomic<std::uint32_t> bell;
  std::atomic<std::uint64_t> awaited;
  // By turns, as rounds go: a rank fills one while others still read the last. It is never two rounds ahead
  // of a reader, since it takes part in each round itself before it begins the next.
  alignas(64) std::array<Announcement, 2> announcements;
  alignas(4096) std::array<std::array<std::byte, slot_bytes>, 2> slots;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// A rank takes part in up to two communicators of an epoch.
struct HostMemory {
  static constexpr int world = 0, group = 1;
  std::array<std::array<Box, max_ranks_of_host>, 2>
      boxes;  // by communicator, then place among the ranks of the host
};

inline FileDescriptor host_memory_file() {
  return shared_memory_file("troupe-tensors", sizeof(HostMemory));
}

}  // namespace troupe::transport
