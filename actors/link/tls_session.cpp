#include "actors/link/tls_session.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "actors/link/pem.hpp"

namespace troupe::actors {

TlsSession::TlsSession(const TlsContext& context, Socket socket, Side side, std::function<void()> established)
    : socket_(socket), ssl_(SSL_new(context.get()), SSL_free), on_established_(std::move(established)) {
  must(ssl_ && SSL_set_fd(ssl_.get(), socket) == 1, "making a TLS session");
  if (side == Side::connects)
    SSL_set_connect_state(ssl_.get());
  else
    SSL_set_accept_state(ssl_.get());
}

TlsSession::~TlsSession() = default;

// SSL_get_error(3) demands that the thread's error queue be empty before each call that it is asked about, or
// a connection that merely has nothing to read looks broken after another one failed.

auto TlsSession::advance() -> Result {
  if (ended_) return Result::failure;
  if (established_) return Result::success;
  ERR_clear_error();
  if (const int returned = SSL_do_handshake(ssl_.get()); returned != 1) return outcome(returned);
  established_ = true;
  on_established_();
  return Result::success;
}

auto TlsSession::read_some(std::size_t& result, Socket, void* bytes, std::size_t size) -> Result {
  result = 0;
  if (advance() == Result::failure) return Result::failure;
  if (!established_) return Result::success;
  ERR_clear_error();
  const int returned = SSL_read_ex(ssl_.get(), bytes, size, &result);
  return returned == 1 ? Result::success : outcome(returned);
}

auto TlsSession::write_some(std::size_t& result, Socket, const void* bytes, std::size_t size) -> Result {
  result = 0;
  if (ended_) return Result::failure;
  ERR_clear_error();
  const int returned = SSL_write_ex(ssl_.get(), bytes, size, &result);
  return returned == 1 ? Result::success : outcome(returned);
}

bool TlsSession::must_read_more(Socket, std::size_t threshold) const {
  return !ended_ && std::size_t(SSL_pending(ssl_.get())) >= threshold;
}

void TlsSession::end() {
  ended_ = true;
  shutdown(socket_, SHUT_RDWR);
}

// Success without bytes: CAF waits for the socket. While a handshake goes on it waits for the peer's bytes
// only; our own few kilobytes always fit into the buffer of a fresh socket.
auto TlsSession::outcome(int returned) -> Result {
  const int error = SSL_get_error(ssl_.get(), returned);
  if (error == SSL_ERROR_WANT_READ || (error == SSL_ERROR_WANT_WRITE && established_)) return Result::success;
  end();
  return Result::failure;
}

}  // namespace troupe::actors
