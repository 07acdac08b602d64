// Requests to one server over HTTP/1.1, with answers that stream. Connections are kept and used again.
// Belongs to the thread that runs its io_context.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/edge/asio.hpp"
#include "launch/load/exchange.hpp"
#include "launch/server_url.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::launch::load {

namespace net = actors::edge::net;
namespace http = actors::edge::http;

using Headers = std::vector<std::pair<std::string, std::string>>;

// A whole answer, whatever its status.
struct Page {
  unsigned status = 0;
  std::string body;
};

class StreamClient {
 public:
  static constexpr std::size_t max_page_bytes = 1 << 20;  // of an answer that does not stream

  // silence: a connection that brings nothing for so long is given up.
  StreamClient(net::io_context& io, ServerUrl url, Headers headers, Duration silence);
  ~StreamClient();

  // Posts a JSON body and reads the events that answer it. Failures are in the exchange; nothing is thrown.
  net::awaitable<Exchange> post(std::string target, std::string body);
  // Posts a JSON body over a connection of its own; take gets the bytes of an answer of status 200 as they come, and
  // outlives the call. Throws Error.
  using Take = std::function<void(std::string_view bytes, TimePoint at)>;
  net::awaitable<void> stream(std::string target, std::string body, const Take& take);
  // Over a connection of its own. silence is how long the answer may take. Throws Error where there is none, or more than
  // max_page_bytes.
  net::awaitable<Page> ask(http::verb verb, std::string target, std::string body);
  // The body of a page of status 200. Throws Error.
  net::awaitable<std::string> get(std::string target);

 private:
  struct Connection;
  using Lease = std::unique_ptr<Connection>;
  using Request = http::request<http::string_body>;

  net::awaitable<Lease> connect();
  net::awaitable<Lease> lease();
  net::awaitable<void> receive(Connection& connection, const Request& request, const Take& take);
  net::awaitable<void> watch();
  Request make_request(http::verb verb, const std::string& target, std::string body) const;
  std::string reason(const Connection* connection, const boost::system::error_code& error) const;

  net::io_context& io_;
  ServerUrl url_;
  Headers headers_;
  Duration silence_;
  net::ip::tcp::resolver::results_type addresses_;
  // Shared with the connections: one may outlast the client, in a coroutine that ends with its io_context.
  std::shared_ptr<std::vector<Connection*>> open_ = std::make_shared<std::vector<Connection*>>();
  std::vector<Lease> idle_;
  net::steady_timer watch_;
  bool watching_ = false;
};

}  // namespace troupe::launch::load
