#include "launch/pull/http_client.hpp"

#include <array>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <limits>
#include <optional>

#include "launch/pull/hitch.hpp"
#include "launch/pull/proxy.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::pull {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

constexpr std::size_t most_idle = 4;               // connections
constexpr std::uint32_t max_header_bytes = 65536;  // signed addresses are long
constexpr std::size_t most_left = 65536;           // bytes of a body that are read only to keep a connection

}  // namespace

std::shared_ptr<net::ssl::context> system_trust() {
  auto trust = std::make_shared<net::ssl::context>(net::ssl::context::tls_client);
  CHECK(SSL_CTX_set_min_proto_version(trust->native_handle(), TLS1_2_VERSION) == 1);
  trust->set_default_verify_paths();
  trust->set_verify_mode(net::ssl::verify_peer);
  return trust;
}

struct HttpClient::Connection {
  Connection(net::io_context& io, net::ssl::context& trust) : tls(beast::tcp_stream(io), trust) {}

  beast::tcp_stream& tcp() { return tls.next_layer(); }
  // use: called with the stream that requests are sent over.
  template <class Use>
  void with_stream(Use use) {
    if (secure)
      use(tls);
    else
      use(tcp());
  }

  net::ssl::stream<beast::tcp_stream> tls;  // TLS is of no use where the server speaks none
  std::string origin;
  bool secure = false;
  beast::flat_buffer buffer;
  std::optional<http::response_parser<http::buffer_body>> answer;
};

HttpClient::HttpClient(std::shared_ptr<net::ssl::context> trust, Duration silence)
    : trust_(std::move(trust)), silence_(silence) {}

HttpClient::~HttpClient() = default;

void HttpClient::stop() {
  stopped_ = true;
  io_.stop();
}

// Starts an operation and waits for its end, the connection's silence, or stop(). An operation that was stopped is never
// heard of again: nothing runs the context any more.
template <class Start>
error_code HttpClient::wait(Connection& connection, Start start) {
  io_.restart();
  std::optional<error_code> outcome;
  connection.tcp().expires_after(silence_);
  start([&outcome](error_code error, auto&&...) { outcome = error; });
  if (!stopped_) io_.run();
  if (!outcome) throw Stopped();
  return *outcome;
}

void HttpClient::ask_for_tunnel(Connection& connection, const Url& proxy, const Url& url) {
  const std::string target = url.origin().substr(url.origin().find("//") + 2);
  http::request<http::empty_body> request(http::verb::connect, target, 11);
  request.set(http::field::host, target);
  error_code error =
      wait(connection, [&](auto done) { http::async_write(connection.tcp(), request, std::move(done)); });
  http::response_parser<http::empty_body> answer;
  answer.skip(true);  // what comes behind its head is the tunnel's
  beast::flat_buffer buffer;
  if (!error)
    error = wait(connection, [&](auto done) {
      http::async_read_header(connection.tcp(), buffer, answer, std::move(done));
    });
  if (error) throw Hitch(error.message(), proxy.origin());
  const unsigned status = answer.get().result_int();
  const std::string what =
      "the proxy answers with status " + std::to_string(status) + " to CONNECT " + target;
  if (status >= 500) throw Hitch(what, proxy.origin());
  if (status != 200)
    throw Error(what, proxy.origin(), "HTTPS_PROXY, http_proxy and NO_PROXY say when it is asked");
}

void HttpClient::shake_hands(Connection& connection, const Url& url) {
  SSL* const tls = connection.tls.native_handle();
  error_code is_name;
  net::ip::make_address(url.host, is_name);
  if (is_name)
    CHECK(SSL_set_tlsext_host_name(tls, url.host.c_str()) == 1 && SSL_set1_host(tls, url.host.c_str()) == 1);
  else
    CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), url.host.c_str()) == 1);
  const error_code error = wait(connection, [&](auto done) {
    connection.tls.async_handshake(net::ssl::stream_base::client, std::move(done));
  });
  if (!error) return;
  if (error.category() != net::error::get_ssl_category() ||
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) != SSL_R_CERTIFICATE_VERIFY_FAILED)
    throw Hitch(error.message(), url.origin());
  const std::string verdict = X509_verify_cert_error_string(SSL_get_verify_result(tls));
  throw Error("its certificate is not trusted: " + verdict, url.origin(),
              "SSL_CERT_FILE may name a PEM file of authorities to trust");
}

std::unique_ptr<HttpClient::Connection> HttpClient::connect(const Url& url) {
  const auto proxy = proxy_for(url, process_variable);
  const Url& peer = proxy ? *proxy : url;
  net::ip::tcp::resolver resolver(io_);
  error_code error;
  const auto addresses = resolver.resolve(peer.host, peer.port, error);
  if (error) throw Hitch(error.message(), peer.origin());
  auto connection = std::make_unique<Connection>(io_, *trust_);
  connection->origin = url.origin();
  connection->secure = url.secure;
  error = wait(*connection, [&](auto done) { connection->tcp().async_connect(addresses, std::move(done)); });
  if (error) throw Hitch(error.message(), peer.origin());
  connection->tcp().socket().set_option(net::ip::tcp::no_delay(true), error);  // faster, if it can be had
  if (proxy) ask_for_tunnel(*connection, *proxy, url);
  if (url.secure) shake_hands(*connection, url);
  return connection;
}

// One request, and the head of its answer.
error_code HttpClient::exchange(Connection& connection, const Url& url, const Fields& fields) {
  http::request<http::empty_body> request(http::verb::get, url.target, 11);
  for (const auto& each : fields) request.set(each.name_string(), each.value());
  request.set(http::field::host, url.authority());
  error_code error = wait(connection, [&](auto done) {
    connection.with_stream([&](auto& stream) { http::async_write(stream, request, std::move(done)); });
  });
  if (error) return error;
  connection.answer.emplace();
  connection.answer->header_limit(max_header_bytes);
  connection.answer->body_limit(std::numeric_limits<std::uint64_t>::max());  // Boost 1.74 takes none for zero
  return wait(connection, [&](auto done) {
    connection.with_stream([&](auto& stream) {
      http::async_read_header(stream, connection.buffer, *connection.answer, std::move(done));
    });
  });
}

HttpClient::Head HttpClient::get(const Url& url, const Fields& fields) {
  busy_.reset();
  auto kept = idle_.extract(url.origin());
  if (!kept.empty()) {
    busy_ = std::move(kept.mapped());
    // That a server has closed a kept connection meanwhile says nothing of this request.
    if (exchange(*busy_, url, fields)) busy_.reset();
  }
  if (!busy_) {
    auto fresh = connect(url);
    const error_code error = exchange(*fresh, url, fields);
    if (error) throw Hitch(error.message(), url.shown());
    busy_ = std::move(fresh);
  }
  return {busy_->answer->get().result_int(), busy_->answer->get().base()};
}

std::size_t HttpClient::read(std::span<char> room) {
  CHECK(busy_ && !room.empty());
  auto& answer = *busy_->answer;
  while (!answer.is_done()) {
    auto& body = answer.get().body();
    body.data = room.data();
    body.size = room.size();
    const error_code error = wait(*busy_, [&](auto done) {
      busy_->with_stream(
          [&](auto& stream) { http::async_read_some(stream, busy_->buffer, answer, std::move(done)); });
    });
    if (error && error != http::error::need_buffer) {
      const std::string origin = busy_->origin;
      busy_.reset();
      throw Hitch(error == http::error::partial_message ? "the answer was cut off" : error.message(), origin);
    }
    if (body.size < room.size()) return room.size() - body.size;
  }
  if (answer.keep_alive() && idle_.size() < most_idle) idle_[busy_->origin] = std::move(busy_);
  busy_.reset();
  return 0;
}

void HttpClient::leave() {
  std::size_t left = 0;
  std::array<char, 4096> room;
  try {
    while (busy_ && left < most_left) {
      const std::size_t count = read(room);
      if (count == 0) return;
      left += count;
    }
  } catch (const Hitch&) {
  }
  busy_.reset();
}

}  // namespace troupe::launch::pull
