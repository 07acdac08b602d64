// GET requests over HTTP/1.1 and TLS, one after the other, by way of the proxy that the environment names; calls block.
// Connections are kept and used again. Belongs to one thread, but for stop().
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/http/fields.hpp>
#include <map>
#include <memory>
#include <span>

#include "launch/pull/url.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::launch::pull {

// Who is trusted: the system's certificate authorities, or those that SSL_CERT_FILE and SSL_CERT_DIR name. TLS 1.2 and up.
std::shared_ptr<boost::asio::ssl::context> system_trust();

class HttpClient {
 public:
  using Fields = boost::beast::http::fields;
  struct Head {
    unsigned status = 0;
    Fields fields;
  };
  // What calls throw once stop() was called.
  struct Stopped {};

  // silence: a connection that brings nothing for so long is given up.
  HttpClient(std::shared_ptr<boost::asio::ssl::context> trust, Duration silence);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Asks, and reads the head of the answer, whatever its status. Throws Hitch for a connection that fails, Error for a server
  // whose certificate is not trusted.
  Head get(const Url& url, const Fields& fields);
  // Of the body of the last answer: as many bytes as have come, 0 at its end. room: not empty. Throws Hitch.
  std::size_t read(std::span<char> room);
  // The rest of the body is of no interest.
  void leave();

  // Calls end soon, on any thread; nothing can be asked any more.
  void stop();

 private:
  struct Connection;

  std::unique_ptr<Connection> connect(const Url& url);
  void ask_for_tunnel(Connection& connection, const Url& proxy, const Url& url);
  void shake_hands(Connection& connection, const Url& url);
  boost::system::error_code exchange(Connection& connection, const Url& url, const Fields& fields);
  template <class Start>
  boost::system::error_code wait(Connection& connection, Start start);

  boost::asio::io_context io_;
  const std::shared_ptr<boost::asio::ssl::context> trust_;
  const Duration silence_;
  std::atomic<bool> stopped_ = false;
  std::map<std::string, std::unique_ptr<Connection>> idle_;  // by origin
  std::unique_ptr<Connection> busy_;                         // whose answer is being read
};

}  // namespace troupe::launch::pull
