#include "launch/load/stream_client.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <limits>
#include <nlohmann/json.hpp>

#include "launch/load/answer_reader.hpp"
#include "launch/server_answer.hpp"

namespace troupe::launch::load {

using boost::system::error_code;
using boost::system::system_error;

struct StreamClient::Connection {
  Connection(net::io_context& io, std::shared_ptr<std::vector<Connection*>> all)
      : socket(io), open(std::move(all)) {
    open->push_back(this);
  }
  ~Connection() { open->erase(std::find(open->begin(), open->end(), this)); }

  net::ip::tcp::socket socket;
  boost::beast::flat_buffer buffer;
  TimePoint heard = now();
  bool busy = true, was_used = false, timed_out = false, keeps = false;
  std::shared_ptr<std::vector<Connection*>> open;
};

StreamClient::StreamClient(net::io_context& io, ServerUrl url, Headers headers, Duration silence)
    : io_(io), url_(std::move(url)), headers_(std::move(headers)), silence_(silence), watch_(io) {}

StreamClient::~StreamClient() = default;

// One timer for all connections: a timer of each would be set anew for every token.
net::awaitable<void> StreamClient::watch() {
  const Duration period = std::min<Duration>(silence_ / 4, std::chrono::seconds(1));
  while (!open_->empty()) {
    watch_.expires_after(period);
    error_code stopped;
    co_await watch_.async_wait(actors::edge::into(stopped));
    for (Connection* each : *open_) {
      if (!each->busy || now() - each->heard < silence_) continue;
      each->timed_out = true;
      error_code closed;
      each->socket.close(closed);
    }
  }
  watching_ = false;
}

net::awaitable<StreamClient::Lease> StreamClient::connect() {
  if (addresses_.empty()) {
    net::ip::tcp::resolver resolver(io_);
    addresses_ = co_await resolver.async_resolve(url_.host, url_.port, net::use_awaitable);
  }
  auto connection = std::make_unique<Connection>(io_, open_);
  if (!std::exchange(watching_, true)) net::co_spawn(io_, watch(), net::detached);
  error_code error;
  co_await net::async_connect(connection->socket, addresses_, actors::edge::into(error));
  if (error) throw Error(reason(connection.get(), error), url_.authority, "does a server listen there?");
  connection->socket.set_option(net::ip::tcp::no_delay(true));
  co_return connection;
}

net::awaitable<StreamClient::Lease> StreamClient::lease() {
  if (idle_.empty()) co_return co_await connect();
  Lease lease = std::move(idle_.back());
  idle_.pop_back();
  lease->busy = true;
  lease->heard = now();
  co_return lease;
}

StreamClient::Request StreamClient::make_request(http::verb verb, const std::string& target,
                                                 std::string body) const {
  Request request(verb, url_.path + target, 11);
  request.set(http::field::host, url_.authority);
  request.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : headers_) request.set(name, value);
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

std::string StreamClient::reason(const Connection* connection, const error_code& error) const {
  if (!connection || !connection->timed_out) return error.message();
  return "nothing came for " + nlohmann::json(std::chrono::duration<double>(silence_).count()).dump() + " s";
}

// Throws Error for another status than 200, system_error for a connection that fails.
net::awaitable<void> StreamClient::receive(Connection& connection, const Request& request, const Take& take) {
  co_await http::async_write(connection.socket, request, net::use_awaitable);
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());  // Boost 1.74 takes none for zero
  co_await http::async_read_header(connection.socket, connection.buffer, parser, net::use_awaitable);
  connection.was_used = true;
  const unsigned status = parser.get().result_int();
  std::string page;
  std::array<char, 16384> bytes;
  while (!parser.is_done()) {
    auto& room = parser.get().body();
    room.data = bytes.data();
    room.size = bytes.size();
    error_code error;
    co_await http::async_read_some(connection.socket, connection.buffer, parser, actors::edge::into(error));
    if (error && error != http::error::need_buffer) throw system_error(error);
    connection.heard = now();
    const std::string_view come(bytes.data(), bytes.size() - room.size);
    if (status == 200)
      take(come, connection.heard);
    else
      page.append(come.substr(0, max_page_bytes - page.size()));
  }
  connection.keeps = parser.get().keep_alive();
  if (status == 200) co_return;
  const auto answer = nlohmann::ordered_json::parse(page, nullptr, false);
  throw Error("status " + std::to_string(status) + reason_of(answer), request.target().to_string());
}

net::awaitable<Exchange> StreamClient::post(std::string target, std::string body) {
  const Request request = make_request(http::verb::post, target, std::move(body));
  for (;;) {
    Exchange exchange;
    Lease connection;
    bool again = false;
    try {
      connection = co_await lease();
      const bool kept = std::exchange(connection->was_used, false);
      again = kept;
      AnswerReader reader(exchange, now());
      const Take take = [&](std::string_view bytes, TimePoint at) { reader.take(bytes, at); };
      co_await receive(*connection, request, take);
      reader.end();
    } catch (const system_error& error) {
      exchange.error = reason(connection.get(), error.code());
      // A kept connection that the server had closed meanwhile says nothing of this request.
      if (again && !connection->was_used && !connection->timed_out) continue;
    } catch (const Error& error) {
      exchange.error = error.what();
    }
    if (connection && connection->keeps) {
      connection->keeps = connection->busy = false;
      idle_.push_back(std::move(connection));
    }
    co_return exchange;
  }
}

net::awaitable<void> StreamClient::stream(std::string target, std::string body, const Take& take) {
  const Request request = make_request(http::verb::post, target, std::move(body));
  Lease connection;
  try {
    connection = co_await connect();
    co_await receive(*connection, request, take);
  } catch (const system_error& error) {
    throw Error(reason(connection.get(), error.code()), url_.authority + url_.path + target);
  }
}

net::awaitable<Page> StreamClient::ask(http::verb verb, std::string target, std::string body) {
  Lease connection;
  try {
    connection = co_await connect();
    const Request request = make_request(verb, target, std::move(body));
    co_await http::async_write(connection->socket, request, net::use_awaitable);
    http::response_parser<http::string_body> parser;
    parser.body_limit(max_page_bytes);
    co_await http::async_read_header(connection->socket, connection->buffer, parser, net::use_awaitable);
    co_await http::async_read(connection->socket, connection->buffer, parser, net::use_awaitable);
    co_return Page{parser.get().result_int(), std::move(parser.get().body())};
  } catch (const system_error& error) {
    throw Error(reason(connection.get(), error.code()), url_.authority + url_.path + target,
                "does a server listen there?");
  }
}

net::awaitable<std::string> StreamClient::get(std::string target) {
  Page page = co_await ask(http::verb::get, target, "");
  if (page.status == 200) co_return std::move(page.body);
  const auto answer = nlohmann::ordered_json::parse(page.body, nullptr, false);
  throw Error("status " + std::to_string(page.status) + reason_of(answer),
              url_.authority + url_.path + target, "is that where the API begins, without /v1?");
}

}  // namespace troupe::launch::load
