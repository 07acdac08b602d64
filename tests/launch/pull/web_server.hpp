// An HTTP server on loopback that answers as a test has it, each connection on a thread of its own.
#pragma once

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::launch::pull {

class WebServer {
 public:
  struct Request {
    std::string target, range, authorization;
  };
  struct Reply {
    unsigned status = 200;
    std::vector<std::pair<std::string, std::string>> fields{};
    std::string body{};
    std::optional<std::size_t> cut{};  // the connection ends after so many bytes of the body
    std::string framing{};             // a field that stands where Content-Length does
  };

  // answer: of one request at a time.
  explicit WebServer(std::function<Reply(const Request&)> answer)
      : answer_(std::move(answer)),
        acceptor_(io_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
        port_(acceptor_.local_endpoint().port()),
        accepting_([this] { accept(); }) {}
  ~WebServer() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    accepting_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const auto& each : sockets_) ::shutdown(each->native_handle(), SHUT_RDWR);
    }
    threads_.clear();
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return "http://" + authority(); }
  std::vector<Request> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  using Tcp = boost::asio::ip::tcp;

  void accept() {
    for (;;) {
      boost::system::error_code error;
      auto socket = std::make_unique<Tcp::socket>(io_);
      acceptor_.accept(*socket, error);
      if (error) return;
      const std::lock_guard lock(mutex_);
      sockets_.push_back(std::move(socket));
      threads_.emplace_back([this, one = sockets_.back().get()] { serve(*one); });
    }
  }

  void serve(Tcp::socket& socket) {
    namespace http = boost::beast::http;
    boost::beast::flat_buffer buffer;
    for (;;) {
      boost::system::error_code error;
      http::request<http::empty_body> request;
      http::read(socket, buffer, request, error);
      if (error) return;
      const auto field = [&](http::field name) { return std::string(request[name]); };
      const Request told{std::string(request.target()), field(http::field::range),
                         field(http::field::authorization)};
      const Reply reply = answer(told);
      std::string text = "HTTP/1.1 " + std::to_string(reply.status) + " X\r\n" + framing_of(reply) + "\r\n";
      for (const auto& [name, value] : reply.fields) text += name + ": " + value + "\r\n";
      text += "\r\n" + reply.body.substr(0, reply.cut.value_or(reply.body.size()));
      boost::asio::write(socket, boost::asio::buffer(text), error);
      if (error) return;
      if (reply.cut) {
        socket.shutdown(Tcp::socket::shutdown_both, error);
        return;
      }
    }
  }

  static std::string framing_of(const Reply& reply) {
    return reply.framing.empty() ? "Content-Length: " + std::to_string(reply.body.size()) : reply.framing;
  }

  Reply answer(const Request& request) {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    return answer_(request);
  }

  const std::function<Reply(const Request&)> answer_;
  boost::asio::io_context io_;
  Tcp::acceptor acceptor_;
  const std::uint16_t port_;
  std::mutex mutex_;  // guards the next two
  std::vector<Request> requests_;
  std::vector<std::unique_ptr<Tcp::socket>> sockets_;
  std::vector<std::jthread> threads_;
  std::thread accepting_;  // which is the last to begin
};

}  // namespace troupe::launch::pull
