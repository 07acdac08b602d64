#include "transport/host/mesh.hpp"

#include <algorithm>
#include <bit>

#include "runtime/base/error.hpp"

namespace troupe::transport {

const char* collective_of(Message message) {
  switch (message) {
    case Message::greeting:
      return "connect";
    case Message::farewell:
      return "its farewell";
    case Message::whole_partials:
    case Message::partial_slices:
    case Message::summed_slices:
      return "all_reduce";
    case Message::all_gather:
      return "all_gather";
    case Message::dispatch:
      return "dispatch";
    case Message::combine:
      return "combine";
  }
  return "no collective that is known";
}

Mesh::Mesh(int rank, int size, Duration timeout) : timeout_(timeout), rank_(rank), size_(size) {
  CHECK(size >= 1 && std::has_single_bit(unsigned(size)), "ranks must be a power of two");
  CHECK(rank >= 0 && rank < size, "no such rank");
}

void Mesh::exchange(Message message, std::span<const Bytes> out, const Room& room) {
  check_alive(message);
  CHECK(out.size() == std::size_t(size_), "a message for each rank");
  if (size_ > 1) swap_messages(message, out, room, SteadyClock().now() + timeout_);
}

void Mesh::check_alive(Message message) {
  message_ = message;
  if (over_) fail({});
}

void Mesh::fail(std::string reason) {
  finish(std::move(reason));
  const std::lock_guard lock(mutex_);
  throw Error(failure_, name_of(rank_) + " of " + std::to_string(size_) + ", " + collective_of(message_));
}

void Mesh::abort() noexcept {
  finish("the epoch was aborted by " + name_of(rank_));
}

void Mesh::finish(std::string reason) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_.empty()) return;
    failure_ = reason;
    over_ = true;
  }
  end(reason);
}

void Mesh::expect(Message message, int from, Message theirs) {
  if (theirs == message) return;
  const std::string how =
      collective_of(theirs) == std::string_view(collective_of(message)) ? "another part of " : "";
  fail(name_of(from) + " is in " + how + collective_of(theirs));
}

std::string Mesh::reason_of(int peer, std::string_view farewell) {
  if (farewell == left) return name_of(peer) + " left the epoch";
  std::string reason(farewell.substr(0, max_reason_bytes));
  // It goes to logs, whoever wrote it.
  std::ranges::replace_if(
      reason, [](char c) { return c < ' ' || c > '~'; }, '?');
  return reason.empty() ? name_of(peer) + " failed" : reason;
}

}  // namespace troupe::transport
