#include "transport/host/threads_mesh.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/base/error.hpp"
#include "transport/host/communicator.hpp"

namespace troupe::transport {

// Each rank has a desk, on which it puts copies of its messages, so that no rank touches the memory of
// another that may have failed.
struct MeetingPlace {
  struct Letters {
    Message message{};
    std::vector<std::vector<std::byte>> to;  // by rank
  };
  struct Desk {
    // By turns: a rank can be filling one while others still read the last, and none can be two exchanges
    // ahead, since it takes everybody's letters of each.
    std::array<Letters, 2> letters;
    // Guarded by the mutex.
    std::uint64_t posted = 0;  // exchanges whose letters lie there
    std::string farewell;      // why the epoch is over for the rank; empty while it is not
    bool joined = false;
  };

  MeetingPlace(int ranks, Duration patience) : timeout(patience), desks(std::size_t(ranks)) {
    for (Desk& desk : desks)
      for (Letters& letters : desk.letters) letters.to.resize(desks.size());
  }

  const Duration timeout;
  std::vector<Desk> desks;
  std::mutex mutex;
  std::condition_variable news;
};

namespace {

class ThreadsMeshOfRank final : public Mesh {
 public:
  ThreadsMeshOfRank(std::shared_ptr<MeetingPlace> place, int rank)
      : Mesh(rank, int(place->desks.size()), place->timeout), place_(std::move(place)) {
    const std::lock_guard lock(place_->mutex);
    CHECK(!std::exchange(mine().joined, true), "a rank joins an epoch once");
  }
  ~ThreadsMeshOfRank() override { leave(); }

  std::size_t cheap_bytes() const override { return 64 << 10; }

 private:
  MeetingPlace::Desk& mine() { return place_->desks[std::size_t(rank())]; }

  void swap_messages(Message message, std::span<const Bytes> out, const Room& room,
                     TimePoint deadline) override {
    MeetingPlace::Letters& letters = mine().letters[turn_ % 2];
    letters.message = message;
    for (std::size_t r = 0; r < out.size(); ++r)
      if (int(r) != rank()) letters.to[r].assign(out[r].begin(), out[r].end());
    wait_for_all(deadline);
    for (int r = 0; r < size(); ++r) {
      if (r == rank()) continue;
      const MeetingPlace::Letters& theirs = place_->desks[std::size_t(r)].letters[turn_ % 2];
      expect(message, r, theirs.message);
      const std::vector<std::byte>& letter = theirs.to[std::size_t(rank())];
      std::byte* const to = room(r, letter.size());
      if (!letter.empty()) std::memcpy(to, letter.data(), letter.size());
    }
    ++turn_;
  }

  // Says that this rank's letters lie there, and returns when everybody's do.
  void wait_for_all(TimePoint deadline) {
    std::unique_lock lock(place_->mutex);
    mine().posted = turn_ + 1;
    place_->news.notify_all();
    const auto missing = [&](const MeetingPlace::Desk& desk) { return desk.posted <= turn_; };
    const auto failed = [&](const MeetingPlace::Desk& desk) {
      return !desk.farewell.empty() && (desk.farewell != left || missing(desk));
    };
    const auto& desks = place_->desks;
    const bool in_time = place_->news.wait_until(lock, deadline, [&] {
      return std::ranges::any_of(desks, failed) || std::ranges::none_of(desks, missing);
    });
    const auto culprit = in_time ? std::ranges::find_if(desks, failed) : std::ranges::find_if(desks, missing);
    if (culprit == desks.end()) return;
    const int peer = int(culprit - desks.begin());
    const std::string farewell = culprit->farewell;
    lock.unlock();
    in_time ? fail(reason_of(peer, farewell)) : fail_for_missing(peer);
  }

  void end(std::string_view reason) noexcept override {
    const std::lock_guard lock(place_->mutex);
    mine().farewell = reason;
    place_->news.notify_all();
  }

  const std::shared_ptr<MeetingPlace> place_;
  std::uint64_t turn_ = 0;  // exchanges done
};

}  // namespace

ThreadsMesh::ThreadsMesh(int ranks, Duration timeout) {
  CHECK(ranks >= 1 && ranks <= max_thread_ranks && std::has_single_bit(unsigned(ranks)),
        "ranks must be a power of two");
  place_ = std::make_shared<MeetingPlace>(ranks, timeout);
}

std::unique_ptr<Communicator> ThreadsMesh::communicator(int rank) const {
  CHECK(rank >= 0 && rank < int(place_->desks.size()), "a rank joins an epoch once, and only its own");
  return host_communicator(std::make_unique<ThreadsMeshOfRank>(place_, rank));
}

}  // namespace troupe::transport
