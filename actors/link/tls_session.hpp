// TLS over one socket that does not block: the policy of CAF's stream, which calls it in the I/O thread alone
// when the socket can be read or written. SIGPIPE must be ignored.
#pragma once

#include <caf/io/network/native_socket.hpp>
#include <caf/io/network/rw_state.hpp>
#include <functional>

#include "actors/link/tls_context.hpp"

namespace troupe::actors {

class TlsSession {
 public:
  enum class Side { connects, accepts };
  using Result = caf::io::network::rw_state;
  using Socket = caf::io::network::native_socket;

  // established: called once, when the peer is known; nothing may be written before. The socket stays the
  // caller's and outlives the session.
  TlsSession(const TlsContext& context, Socket socket, Side side, std::function<void()> established);
  ~TlsSession();

  bool is_established() const { return established_; }
  // Goes on with the handshake, and begins it.
  Result advance();

  Result read_some(std::size_t& result, Socket, void* bytes, std::size_t size);
  Result write_some(std::size_t& result, Socket, const void* bytes, std::size_t size);
  // Whether the socket may stay silent although so many bytes are here.
  bool must_read_more(Socket, std::size_t threshold) const;

  // From here on all calls fail, and the socket is at its end, so that CAF comes and sees that.
  void end();

 private:
  Result outcome(int returned);

  const Socket socket_;
  const std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  const std::function<void()> on_established_;
  bool established_ = false, ended_ = false;
};

}  // namespace troupe::actors
