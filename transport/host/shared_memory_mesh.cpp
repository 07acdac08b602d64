#include "transport/host/shared_memory_mesh.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>

#include "runtime/base/error.hpp"

namespace troupe::transport {
namespace {

// What a sleep and a wake-up cost: a rank that looks for so long before it sleeps loses no more than it could
// have saved.
constexpr std::chrono::microseconds looks_before_sleep{30};

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// False at the deadline. May return early.
bool futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen, TimePoint deadline) {
  const auto since_boot = std::chrono::nanoseconds(deadline.time_since_epoch()).count();
  const timespec until{since_boot / 1'000'000'000, since_boot % 1'000'000'000};
  return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, seen, &until, nullptr, FUTEX_BITSET_MATCH_ANY) == 0 ||
         errno != ETIMEDOUT;
}

void ring(Box& box) {
  box.bell.fetch_add(1);
  syscall(SYS_futex, &box.bell, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
}

// What the window'th slot holds of a message.
struct Part {
  std::uint64_t of_message = 0, of_slot = 0, bytes = 0;
};
Part part_of(const Piece& piece, std::uint64_t window) {
  const std::uint64_t slot_begin = window * slot_bytes;
  const std::uint64_t begin = std::max(piece.offset, slot_begin);
  const std::uint64_t end = std::min(piece.offset + piece.bytes, slot_begin + slot_bytes);
  if (begin >= end) return {};
  return {begin - piece.offset, begin - slot_begin, end - begin};
}

class SharedMemoryMesh final : public Mesh {
 public:
  explicit SharedMemoryMesh(const SharedMemoryOptions& options)
      : Mesh(options.rank, options.size, options.timeout),
        boxes_(options.memory->boxes[std::size_t(options.communicator)].data() + options.first_place),
        epoch_(std::hash<std::string>()(options.secret) | 1),  // not that of memory which is new
        looks_(options.spins ? looks_before_sleep : Duration::zero()) {}
  ~SharedMemoryMesh() override { leave(); }

  std::size_t cheap_bytes() const override { return 64 << 10; }

  // Nothing that lies in the box counts until the rank has arrived; nothing is written into slots until all
  // have, so whoever was left in an older epoch reads them no more.
  void arrive(TimePoint deadline) {
    check_alive(Message::greeting);
    Box& mine = box(rank());
    mine.round = 0;
    mine.awaited = 0;
    mine.state = Box::going_on;
    mine.epoch = epoch_;
    ring_peers();
    wait_for_all(deadline, [this](const Box& peer) { return peer.epoch == epoch_; });
    all_arrived_ = true;
  }

 private:
  // A message that comes: where it lies, and goes.
  struct Incoming {
    Piece piece;
    std::byte* to = nullptr;
  };

  Box& box(int rank) const { return boxes_[rank]; }
  Box& mine() const { return box(rank()); }
  static std::uint64_t bit(int rank) { return std::uint64_t(1) << rank; }
  static std::uint64_t windows_of(std::uint64_t bytes) {
    return 1 + (std::max<std::uint64_t>(bytes, 1) - 1) / slot_bytes;
  }

  void swap_messages(Message message, std::span<const Bytes> out, const Room& room,
                     TimePoint deadline) override;
  void announce(Message message, std::span<const Bytes> out);
  void fill_slot(std::uint64_t window, std::span<const Bytes> out);
  void publish();
  void read_announcement(int from, Message message, const Room& room);
  void take_from_slot(int from, std::uint64_t window);

  template <class Here>
  std::uint64_t missing(Here here) const;
  template <class Here>
  void wait_for_all(TimePoint deadline, Here here);
  void check_peers(std::uint64_t missing);
  std::string farewell_of(int peer) const;
  void ring_peers() const;
  void end(std::string_view reason) noexcept override;

  Box* const boxes_;  // by rank
  const std::uint64_t epoch_;
  const Duration looks_;  // for others, before it sleeps
  bool all_arrived_ = false;
  std::uint64_t round_ = 0;  // slots that this rank has filled
  // Of the exchange that runs:
  std::uint64_t windows_ = 0;  // slots that the most of any rank's messages take
  std::array<Piece, max_ranks_of_host> outgoing_;
  std::array<Incoming, max_ranks_of_host> incoming_;
};

void SharedMemoryMesh::swap_messages(Message message, std::span<const Bytes> out, const Room& room,
                                     TimePoint deadline) {
  announce(message, out);
  for (std::uint64_t window = 0; window < windows_; ++window) {
    fill_slot(window, out);
    publish();
    // One that is further ahead than it can be is out of step, and never comes.
    wait_for_all(deadline, [this](const Box& peer) { return peer.round - round_ <= 1; });
    for (int r = 0; r < size(); ++r) {
      if (r == rank()) continue;
      if (window == 0) read_announcement(r, message, room);
      take_from_slot(r, window);
    }
  }
}

// Messages that are the same memory lie there once.
void SharedMemoryMesh::announce(Message message, std::span<const Bytes> out) {
  std::uint64_t end = 0;
  int last = -1;
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    const Bytes bytes = out[std::size_t(r)];
    Piece& piece = outgoing_[std::size_t(r)];
    if (last >= 0 && out[std::size_t(last)].data() == bytes.data() &&
        out[std::size_t(last)].size() == bytes.size()) {
      piece = outgoing_[std::size_t(last)];
    } else {
      piece = {(end + 63) / 64 * 64, bytes.size()};
      end = piece.offset + piece.bytes;
    }
    last = r;
  }
  Announcement& announcement = mine().announcements[(round_ + 1) % 2];
  announcement.message = message;
  announcement.bytes = end;
  std::copy_n(outgoing_.begin(), size(), announcement.pieces.begin());
  windows_ = windows_of(end);
}

void SharedMemoryMesh::fill_slot(std::uint64_t window, std::span<const Bytes> out) {
  std::byte* const slot = mine().slots[(round_ + 1) % 2].data();
  std::uint64_t filled = 0;  // up to here in the messages
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    const Piece& piece = outgoing_[std::size_t(r)];
    if (piece.offset < filled) continue;
    filled = piece.offset + piece.bytes;
    const Part part = part_of(piece, window);
    if (part.bytes > 0)
      std::memcpy(slot + part.of_slot, out[std::size_t(r)].data() + part.of_message, part.bytes);
  }
}

void SharedMemoryMesh::publish() {
  mine().round = ++round_;
  for (int r = 0; r < size(); ++r) {
    if (r == rank() || (box(r).awaited & bit(rank())) == 0) continue;
    if (box(r).awaited.fetch_and(~bit(rank())) == bit(rank())) ring(box(r));
  }
}

// It may say anything.
void SharedMemoryMesh::read_announcement(int from, Message message, const Room& room) {
  const Announcement& theirs = box(from).announcements[round_ % 2];
  const std::uint64_t all = theirs.bytes;
  const Piece piece = theirs.pieces[std::size_t(rank())];
  expect(message, from, theirs.message);
  if (all > max_message_bytes || piece.bytes > all || piece.offset > all - piece.bytes)
    fail(name_of(from) + " announces a message that it cannot have");
  windows_ = std::max(windows_, windows_of(all));
  incoming_[std::size_t(from)] = {piece, room(from, std::size_t(piece.bytes))};
}

void SharedMemoryMesh::take_from_slot(int from, std::uint64_t window) {
  const Incoming& incoming = incoming_[std::size_t(from)];
  const Part part = part_of(incoming.piece, window);
  const std::byte* const slot = box(from).slots[round_ % 2].data();
  if (part.bytes > 0) std::memcpy(incoming.to + part.of_message, slot + part.of_slot, part.bytes);
}

template <class Here>
std::uint64_t SharedMemoryMesh::missing(Here here) const {
  std::uint64_t ranks = 0;
  for (int r = 0; r < size(); ++r)
    if (r != rank() && !here(box(r))) ranks |= bit(r);
  return ranks;
}

template <class Here>
void SharedMemoryMesh::wait_for_all(TimePoint deadline, Here here) {
  if (looks_ > Duration::zero())
    for (const TimePoint end = SteadyClock().now() + looks_; missing(here) != 0 && SteadyClock().now() < end;)
      pause_cpu();
  while (missing(here) != 0) {
    const std::uint32_t heard = mine().bell;
    mine().awaited = missing(here);
    // Who came before that, and is not missing now, may have seen no bit to clear. Who comes from here on sees
    // it, since all these loads and stores have one order.
    const std::uint64_t absent = missing(here);
    check_peers(absent);
    if ((mine().awaited.fetch_and(absent) & absent) == 0) continue;  // nobody is left to ring
    if (futex_wait(mine().bell, heard, deadline)) continue;
    const std::uint64_t late = missing(here);
    if (late != 0) fail_for_missing(std::countr_zero(late));
  }
  mine().awaited = 0;
  check_peers(0);
}

void SharedMemoryMesh::check_peers(std::uint64_t missing) {
  if (over()) fail({});
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    const Box& peer = box(r);
    if (peer.epoch != epoch_) {
      if (all_arrived_) fail(name_of(r) + " left the epoch for another");
      continue;
    }
    if (peer.state == Box::going_on) continue;
    const std::string farewell = farewell_of(r);
    if (farewell != left || (missing & bit(r)) != 0) fail(reason_of(r, farewell));
  }
}

std::string SharedMemoryMesh::farewell_of(int peer) const {
  const Box& theirs = box(peer);
  return {theirs.farewell.data(), std::min<std::size_t>(theirs.farewell_bytes, theirs.farewell.size())};
}

void SharedMemoryMesh::ring_peers() const {
  for (int r = 0; r < size(); ++r)
    if (r != rank()) ring(box(r));
}

void SharedMemoryMesh::end(std::string_view reason) noexcept {
  if (mine().epoch == epoch_) {  // otherwise not yet in it, or in the next one already
    mine().farewell_bytes = std::uint32_t(reason.copy(mine().farewell.data(), max_reason_bytes));
    mine().state = Box::ended;
  }
  ring(mine());
  ring_peers();
}

}  // namespace

std::unique_ptr<Mesh> shared_memory_mesh(const SharedMemoryOptions& options, std::stop_token stop) {
  CHECK(options.first_place >= 0 && options.first_place + options.size <= max_ranks_of_host,
        "more ranks than the memory has boxes for");
  const TimePoint deadline = SteadyClock().now() + options.connect_timeout;
  auto mesh = std::make_unique<SharedMemoryMesh>(options);
  const std::stop_callback wake(stop, [&] { mesh->abort(); });
  mesh->arrive(deadline);
  return mesh;
}

}  // namespace troupe::transport
