// How the ranks of an epoch meet: each listens on one port, leaves its address in the store, connects to the
// ranks below it and accepts those above. Both sides of a connection show the epoch's secret before it
// counts. Gloo's own rendezvous would take the first stranger who connects for a peer. Used by the one thread
// that connects.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "transport/gloo/gloo.hpp"

namespace troupe::transport {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    FileDescriptor(std::move(other)).swap(*this);
    return *this;
  }
  ~FileDescriptor();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void swap(FileDescriptor& other) noexcept { std::swap(fd_, other.fd_); }

 private:
  int fd_ = -1;
};

// One connected, non-blocking stream to each other rank, in order of ranks; none at this rank's own place.
// Throws an Error that names who is missing at the deadline. Nothing listens any more when it returns.
std::vector<FileDescriptor> meet(const GlooOptions& options, AddressStore& store, TimePoint deadline,
                                 const std::stop_token& stop);

}  // namespace troupe::transport
