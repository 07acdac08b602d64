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

}  // namespace troupe::actors::edge
