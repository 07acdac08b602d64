// A client's socket, with TLS over it where the server speaks that: a stream of Asio's either way. Lives on its socket's
// strand.
#pragma once

#include <boost/asio/ssl/stream.hpp>
#include <optional>

#include "actors/edge/asio.hpp"
#include "actors/edge/server_tls.hpp"

namespace troupe::actors::edge {

class ClientStream {
 public:
  using executor_type = Socket::executor_type;

  // tls: null: none. It stays with the stream.
  ClientStream(Socket socket, TlsOfServer tls) : socket_(std::move(socket)), context_(std::move(tls)) {
    if (context_) tls_.emplace(socket_, *context_);
  }
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }  // below TLS

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

  // Both: nothing, where there is no TLS.
  net::awaitable<error_code> handshake() {
    error_code error;
    if (tls_) co_await tls_->async_handshake(net::ssl::stream_base::server, into(error));
    co_return error;
  }
  // Tells the client that what it has read is all, and waits for it to say so, too.
  net::awaitable<void> end_tls() {
    error_code ignored;
    if (tls_) co_await tls_->async_shutdown(into(ignored));
  }

 private:
  Socket socket_;
  const TlsOfServer context_;
  std::optional<net::ssl::stream<Socket&>> tls_;
};

}  // namespace troupe::actors::edge
