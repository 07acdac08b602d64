#include "actors/edge/connection.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/read.hpp>

namespace troupe::actors::edge {
namespace {

constexpr std::size_t read_bytes = 16 << 10;
constexpr std::size_t waiting_bytes = 512;  // kept for whoever may send something, and mostly does not
constexpr std::chrono::milliseconds cancel_again{10};
constexpr std::size_t write_bytes = 64 << 10;  // the write timeout is for each portion of at most so many

Refusal refusal_for(error_code error) {
  if (error == http::error::header_limit)
    return {RefusalKind::headers_too_large, "The request's headers are too large.", "", "headers_too_large"};
  if (error == http::error::body_limit)
    return {RefusalKind::too_large, "The request's body is too large.", "", "body_too_large"};
  if (error == http::error::partial_message)
    return {RefusalKind::invalid, "The request ends too early.", "", "incomplete_request"};
  return {RefusalKind::invalid, "This is not an HTTP/1.1 request.", "", "malformed_http"};
}

}  // namespace

Connection::Connection(Socket socket, TlsOfServer tls, const config::ConnectionLimits& limits)
    : limits_(limits),
      stream_(std::move(socket), std::move(tls)),
      deadline_(strand()),
      buffer_(limits.header_size.bytes + std::max(limits.read_ahead_size.bytes, read_bytes)),
      read_ended_(strand()) {
  error_code ignored;
  Socket& below = stream_.socket();
  peer_ = below.remote_endpoint(ignored).address();
  below.set_option(net::ip::tcp::no_delay(true), ignored);
  below.set_option(net::socket_base::keep_alive(true), ignored);
}

net::awaitable<bool> Connection::handshake() {
  arm(limits_.header_timeout);
  const error_code error = co_await stream_.handshake();
  disarm();
  co_return !error;
}

net::awaitable<Expected<bool>> Connection::read_head() {
  parser_.emplace();
  parser_->header_limit(std::uint32_t(limits_.header_size.bytes));
  parser_->body_limit(limits_.body_size.bytes);
  error_code error;
  if (buffer_.size() == 0) {
    buffer_.shrink_to_fit();  // whoever is silent holds no memory for what may come
    arm(fresh_ ? limits_.header_timeout : limits_.idle_timeout);
    const std::size_t count = co_await stream_.async_read_some(buffer_.prepare(waiting_bytes), into(error));
    disarm();
    if (error) co_return false;
    buffer_.commit(count);
  }
  fresh_ = false;
  arm(limits_.header_timeout);
  co_await http::async_read_header(stream_, buffer_, *parser_, into(error));
  const bool late = disarm();
  co_return outcome(error, late, "headers");
}

net::awaitable<Expected<bool>> Connection::read_body() {
  error_code error;
  buffer_.reserve(buffer_.size() + read_bytes);  // else it is read in as small parts as a head
  arm(limits_.body_timeout);
  co_await http::async_read(stream_, buffer_, *parser_, into(error));
  const bool late = disarm();
  co_return outcome(error, late, "body");
}

Expected<bool> Connection::outcome(error_code error, bool late, std::string_view part) const {
  if (!error) return true;
  if (late)
    return refuse(RefusalKind::timeout, "The request's " + std::string(part) + " did not come in time.", "",
                  "request_timeout");
  if (error == http::error::end_of_stream) return false;
  if (error.category() != make_error_code(http::error::bad_method).category()) return false;
  return tl::unexpected(refusal_for(error));
}

net::awaitable<bool> Connection::write(std::string_view bytes) {
  while (!bytes.empty() && !gone_) {
    error_code error;
    arm(limits_.write_timeout);
    const auto portion = net::buffer(bytes.substr(0, write_bytes));
    const std::size_t count = co_await stream_.async_write_some(portion, into(error));
    disarm();
    if (error) {
      abort();
      co_return false;
    }
    bytes.remove_prefix(count);
  }
  co_return !gone_;
}

void Connection::watch(std::shared_ptr<Bell> bell) {
  watcher_ = std::move(bell);
  buffer_.shrink_to_fit();
  read_ahead();
}

void Connection::read_ahead() {
  if (reading_ || !watcher_ || gone_ || buffer_.size() >= limits_.read_ahead_size.bytes) return;
  const std::size_t room = std::min(waiting_bytes, limits_.read_ahead_size.bytes - buffer_.size());
  reading_ = true;
  stream_.async_read_some(buffer_.prepare(room),
                          [self = shared_from_this()](error_code error, std::size_t count) {
                            self->reading_ = false;
                            self->buffer_.commit(count);
                            self->read_ended_.ring();
                            if (!self->watcher_) return;
                            if (error) {
                              self->abort();
                              self->watcher_->ring();
                            }
                            self->read_ahead();
                          });
}

net::awaitable<void> Connection::unwatch() {
  watcher_ = nullptr;
  error_code ignored;
  if (reading_) stream_.socket().cancel(ignored);
  while (reading_) co_await read_ended_.wait();
}

net::awaitable<void> Connection::linger() {
  error_code error;
  Socket& socket = stream_.socket();
  arm(limits_.linger_timeout);
  co_await stream_.end_tls();
  socket.shutdown(Socket::shutdown_send, error);
  std::array<char, read_bytes> unread;
  while (!error && !late_) co_await socket.async_read_some(net::buffer(unread), into(error));
  disarm();
  socket.close(error);
}

void Connection::abort() {
  gone_ = true;
  error_code ignored;
  stream_.socket().close(ignored);
  if (watcher_) watcher_->ring();
}

void Connection::arm(std::chrono::milliseconds timeout) {
  late_ = false;
  ++deadline_turn_;
  cancel_after(timeout);
}

// And again and again: an operation of many reads, of which one has just ended, goes on with the next.
void Connection::cancel_after(std::chrono::milliseconds timeout) {
  deadline_.expires_after(timeout);
  deadline_.async_wait([weak = weak_from_this(), turn = deadline_turn_](error_code error) {
    const auto self = weak.lock();
    if (error || !self || turn != self->deadline_turn_) return;
    self->late_ = true;
    error_code ignored;
    self->stream_.socket().cancel(ignored);
    self->cancel_after(cancel_again);
  });
}

bool Connection::disarm() {
  ++deadline_turn_;
  deadline_.cancel();
  return late_;
}

}  // namespace troupe::actors::edge
