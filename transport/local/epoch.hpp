// The meeting place of the ranks of a LocalMesh: each puts down a copy of what it contributes to a collective
// and waits until all have. Thread-safe.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/clock.hpp"

namespace troupe::transport {

// What a rank brings to a collective. Spans point to the rank's own memory.
struct Contribution {
  std::string_view collective;
  std::span<const std::byte> data{};
  std::span<const std::int32_t> experts{};  // [tokens, per_token], of dispatch
  std::int64_t per_token = 0;
};

class LocalEpoch {
 public:
  LocalEpoch(int ranks, Duration timeout);

  int ranks() const { return int(arrived_.size()); }
  // Marks the rank's communicator as made; CHECKs that it is the first.
  void join(int rank);
  // Returns all ranks' contributions, which stay valid until this rank's next call; with one rank that is its
  // own memory, otherwise copies, so that no rank touches the memory of another that may have failed.
  // Throws Error when a rank does not come in time, comes with another collective, or after abort().
  std::span<const Contribution> exchange(int rank, const Contribution& mine);
  void abort() noexcept;

 private:
  // Copies of the ranks' contributions. There are two: a rank can be filling one while others still read the
  // last, and none can be two collectives ahead.
  struct Board {
    std::vector<std::vector<std::byte>> data;
    std::vector<std::vector<std::int32_t>> experts;
    std::vector<Contribution> contributions;
  };

  void check_alive(int rank, std::string_view collective) const;                   // mutex_ held
  [[noreturn]] void fail(int rank, std::string_view collective, std::string why);  // mutex_ held
  std::string missing_ranks() const;                                               // mutex_ held

  const Duration timeout_;
  std::array<Board, 2> boards_;
  std::vector<std::uint64_t> calls_;  // collectives that each rank has begun; entry r belongs to rank r

  std::mutex mutex_;
  std::condition_variable all_arrived_;
  std::vector<bool> joined_, arrived_;
  std::uint64_t generation_ = 0;  // collectives that all ranks reached
  bool aborted_ = false;
  std::string failure_;  // why the epoch ended; empty while it has not
};

}  // namespace troupe::transport
