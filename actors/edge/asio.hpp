// The parts of Boost that the edge's sockets are made of.
#pragma once

// GCC 12 takes Boost 1.74's allocator of coroutine frames for a mismatch.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

#include <utility>  // Boost 1.74's awaitable.hpp needs std::exchange and does not say so

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace troupe::actors::edge {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Socket = net::ip::tcp::socket;

// Completion token: the error goes to a variable, nothing is thrown.
inline auto into(error_code& error) {
  return net::redirect_error(net::use_awaitable, error);
}

// A condition variable for coroutines of one strand: wait, and look again at what you waited for.
class Bell {
 public:
  explicit Bell(const net::any_io_executor& strand) : timer_(strand, net::steady_timer::time_point::max()) {}
  net::awaitable<void> wait() {
    error_code cancelled;
    co_await timer_.async_wait(into(cancelled));
  }
  void ring() { timer_.cancel(); }  // who waits goes on; nobody waits: nothing
  net::any_io_executor strand() { return timer_.get_executor(); }

 private:
  net::steady_timer timer_;
};

// Rings a bell once, some time after it was set. It belongs to the bell's strand.
class Alarm {
 public:
  Alarm(const net::any_io_executor& strand, std::shared_ptr<Bell> bell)
      : timer_(strand), bell_(std::move(bell)) {}

  bool is_set() const { return set_; }
  bool rang() const { return *rang_; }
  void set(std::chrono::steady_clock::duration after) {
    set_ = true;
    timer_.expires_after(after);
    timer_.async_wait([rang = rang_, bell = bell_](const error_code& error) {
      if (error) return;
      *rang = true;
      bell->ring();
    });
  }

 private:
  net::steady_timer timer_;
  std::shared_ptr<Bell> bell_;
  bool set_ = false;
  std::shared_ptr<bool> rang_ = std::make_shared<bool>(false);  // the timer's, which may outlast this
};

}  // namespace troupe::actors::edge
