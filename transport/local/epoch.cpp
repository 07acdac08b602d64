#include "transport/local/epoch.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace troupe::transport {
namespace {

std::string where(int rank, int ranks, std::string_view collective) {
  return "rank " + std::to_string(rank) + " of " + std::to_string(ranks) + ", " + std::string(collective);
}

}  // namespace

LocalEpoch::LocalEpoch(int ranks, Duration timeout)
    : timeout_(timeout),
      calls_(std::size_t(ranks)),
      joined_(std::size_t(ranks)),
      arrived_(std::size_t(ranks)) {
  for (Board& board : boards_) {
    board.data.resize(std::size_t(ranks));
    board.experts.resize(std::size_t(ranks));
    board.contributions.resize(std::size_t(ranks));
  }
}

void LocalEpoch::join(int rank) {
  const std::lock_guard lock(mutex_);
  CHECK(rank >= 0 && rank < ranks() && !joined_[std::size_t(rank)], "a rank joins an epoch once");
  joined_[std::size_t(rank)] = true;
}

std::span<const Contribution> LocalEpoch::exchange(int rank, const Contribution& mine) {
  const auto self = std::size_t(rank);
  Board& board = boards_[calls_[self]++ % 2];
  std::unique_lock lock(mutex_);
  check_alive(rank, mine.collective);
  if (ranks() == 1) {
    board.contributions[0] = mine;
    return board.contributions;
  }
  lock.unlock();
  board.data[self].assign(mine.data.begin(), mine.data.end());
  board.experts[self].assign(mine.experts.begin(), mine.experts.end());
  board.contributions[self] = {mine.collective, board.data[self], board.experts[self], mine.per_token};

  lock.lock();
  check_alive(rank, mine.collective);
  arrived_[self] = true;
  const std::uint64_t generation = generation_;
  if (std::ranges::find(arrived_, false) == arrived_.end()) {
    arrived_.assign(arrived_.size(), false);
    ++generation_;
    all_arrived_.notify_all();
  } else {
    const auto done = [&] { return generation_ != generation || aborted_ || !failure_.empty(); };
    const bool in_time = all_arrived_.wait_until(lock, std::chrono::steady_clock::now() + timeout_, done);
    if (!in_time) fail(rank, mine.collective, missing_ranks() + " did not arrive in time");
    if (generation_ == generation) {
      if (failure_.empty()) fail(rank, mine.collective, "aborted before " + missing_ranks() + " arrived");
      check_alive(rank, mine.collective);
    }
  }
  for (std::size_t other = 0; other < board.contributions.size(); ++other) {
    const std::string_view theirs = board.contributions[other].collective;
    if (theirs == mine.collective) continue;
    fail(rank, mine.collective, "rank " + std::to_string(other) + " is in " + std::string(theirs));
  }
  return board.contributions;
}

void LocalEpoch::abort() noexcept {
  const std::lock_guard lock(mutex_);
  aborted_ = true;
  all_arrived_.notify_all();
}

void LocalEpoch::check_alive(int rank, std::string_view collective) const {
  if (!failure_.empty()) throw Error(failure_, where(rank, ranks(), collective));
  if (aborted_) throw Error("the epoch was aborted", where(rank, ranks(), collective));
}

void LocalEpoch::fail(int rank, std::string_view collective, std::string why) {
  failure_ = std::move(why);
  all_arrived_.notify_all();
  throw Error(failure_, where(rank, ranks(), collective));
}

std::string LocalEpoch::missing_ranks() const {
  std::string names;
  for (std::size_t rank = 0; rank < arrived_.size(); ++rank) {
    if (!arrived_[rank]) names += (names.empty() ? "rank " : ", rank ") + std::to_string(rank);
  }
  return names;
}

}  // namespace troupe::transport
