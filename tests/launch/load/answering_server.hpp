// A server on loopback that answers each request as the test says, one connection after the other, in a thread of its own.
#pragma once

#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <string>
#include <thread>

#include "actors/edge/asio.hpp"
#include "launch/server_url.hpp"

namespace troupe::launch::load {

// All of an HTTP answer, whose connection is then closed.
inline std::string http_answer(int status, const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) +
         " -\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class AnsweringServer {
 public:
  struct Request {
    std::string method, target, body;
  };
  // Called in the server's thread.
  using Answer = std::function<std::string(const Request&)>;

  explicit AnsweringServer(Answer answer)
      : answer_(std::move(answer)),
        acceptor_(io_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this] { serve(); }) {}
  ~AnsweringServer() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);  // wakes who accepts
    thread_.join();
  }

  ServerUrl url() const {
    const std::string port = std::to_string(acceptor_.local_endpoint().port());
    return {.authority = "127.0.0.1:" + port, .host = "127.0.0.1", .port = port, .path = {}};
  }

 private:
  void serve() {
    for (;;) {
      boost::asio::ip::tcp::socket socket(io_);
      boost::system::error_code error;
      acceptor_.accept(socket, error);
      if (error) return;
      answer(socket);
    }
  }

  void answer(boost::asio::ip::tcp::socket& socket) {
    namespace http = boost::beast::http;
    boost::system::error_code error;
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::read(socket, buffer, request, error);
    if (error) return;
    const std::string text =
        answer_({request.method_string().to_string(), request.target().to_string(), request.body()});
    boost::asio::write(socket, boost::asio::buffer(text), error);
  }

  const Answer answer_;
  boost::asio::io_context io_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  std::thread thread_;
};

}  // namespace troupe::launch::load
