// One end of a socket over which texts come and go whole. Sending from several threads and receiving from one.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "runtime/base/error.hpp"
#include "runtime/base/file_descriptor.hpp"

namespace troupe::launch {

class Channel {
 public:
  static constexpr std::size_t most_bytes = 64 << 10;  // of a text

  explicit Channel(FileDescriptor socket) : socket_(std::move(socket)) {}

  // Two ends. Throws Error.
  static std::pair<FileDescriptor, FileDescriptor> pair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      throw Error(std::strerror(errno), "a pair of sockets");
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
  }

  int fd() const { return socket_.get(); }
  // Nothing happens if nobody is at the other end.
  void send(const std::string& text) const { ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL); }
  // Waits; nothing when the other end is closed, or after stop_receiving.
  std::optional<std::string> receive() const {
    std::string text(most_bytes, '\0');
    const ssize_t got = recv(socket_.get(), text.data(), text.size(), 0);
    if (got <= 0) return std::nullopt;
    text.resize(std::size_t(got));
    return text;
  }
  void stop_receiving() const { shutdown(socket_.get(), SHUT_RD); }

 private:
  FileDescriptor socket_;
};

}  // namespace troupe::launch
