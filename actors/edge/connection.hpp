// One client's socket: reads requests within limits and deadlines, writes answers, and notices when the
// client goes away while its answer is being made. Lives on its socket's strand, where alone it may be
// called; owned by its session and, for as long as they run, by its operations.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "actors/edge/client_stream.hpp"
#include "config/edge_settings.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Request = http::request<http::string_body>;

  // tls: null: HTTP in clear.
  Connection(Socket socket, TlsOfServer tls, const config::ConnectionLimits& limits);

  // Before anything else. false: there will be no talk with this client.
  net::awaitable<bool> handshake();

  // true: done. false: the client has gone or said nothing, and there is nobody to answer. A refusal is to be
  // sent, and then the connection ends, since where the next request begins is not known.
  net::awaitable<Expected<bool>> read_head();
  net::awaitable<Expected<bool>> read_body();
  const Request& request() const { return parser_->get(); }  // what has been read of it so far
  std::string take_body() { return std::exchange(parser_->get().body(), {}); }  // once it is parsed
  bool keeps_alive() const { return parser_->is_done() && parser_->keep_alive(); }
  bool body_pending() const { return !parser_->is_done(); }

  // false: the client has gone, or has taken nothing for the write timeout.
  net::awaitable<bool> write(std::string_view bytes);

  // Between them the connection reads ahead. When the client goes, gone() becomes true and bell rings.
  void watch(std::shared_ptr<Bell> bell);
  net::awaitable<void> unwatch();
  bool gone() const { return gone_; }

  // Ends our side and gives the client time to read what it
  // was told: a close with unread bytes would take it back.
  net::awaitable<void> linger();
  void abort();  // every operation ends soon, as if the client had gone

  // Who is at the other end of the socket; no address, once it has gone.
  net::ip::address peer() const { return peer_; }

  net::any_io_executor strand() { return stream_.get_executor(); }

 private:
  void read_ahead();
  void arm(std::chrono::milliseconds timeout);  // then what runs on the socket is cancelled, until disarm()
  void cancel_after(std::chrono::milliseconds timeout);
  bool disarm();  // whether it was too late
  Expected<bool> outcome(error_code error, bool late, std::string_view part) const;

  const config::ConnectionLimits& limits_;
  ClientStream stream_;
  net::ip::address peer_;
  net::steady_timer deadline_;
  std::uint64_t deadline_turn_ = 0;  // a deadline of an earlier turn means nothing
  bool late_ = false;

  boost::beast::flat_buffer buffer_;  // read and not yet parsed
  std::optional<http::request_parser<http::string_body>> parser_;
  bool fresh_ = true;  // no request has come yet
  bool gone_ = false;

  std::shared_ptr<Bell> watcher_;  // null: not watching
  Bell read_ended_;
  bool reading_ = false;  // ahead
};

}  // namespace troupe::actors::edge
