// A client of blocking sockets for tests. Each wait has a deadline, after which it throws.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::actors::edge {

struct NoCase {
  bool operator()(const std::string& a, const std::string& b) const {
    return strcasecmp(a.c_str(), b.c_str()) < 0;
  }
};

struct Response {
  int status = 0;
  std::map<std::string, std::string, NoCase> headers;
  std::string body;  // chunks joined
  nlohmann::json json() const { return nlohmann::json::parse(body); }
};

class Client {
 public:
  explicit Client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    timeval deadline{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("cannot connect");
  }
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return;  // the server may refuse before it has read all
      bytes.remove_prefix(std::size_t(count));
    }
  }
  void get(std::string_view target) { send("GET " + std::string(target) + " HTTP/1.1\r\nHost: t\r\n\r\n"); }
  void post(std::string_view target, std::string_view body, std::string_view headers = "") {
    send("POST " + std::string(target) + " HTTP/1.1\r\nHost: t\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + std::string(headers) + "\r\n" + std::string(body));
  }

  void half_close() { ::shutdown(socket_, SHUT_WR); }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void reset() {
    linger now{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }

  // Reads up to and with the mark.
  std::string read_until(std::string_view mark) {
    for (;;) {
      if (const auto at = buffer_.find(mark); at != buffer_.npos) return cut(at + mark.size());
      if (!receive()) throw std::runtime_error("closed before '" + std::string(mark) + "'; got: " + buffer_);
    }
  }
  std::string read_to_end() {
    while (receive()) continue;
    return cut(buffer_.size());
  }
  bool at_end() { return buffer_.empty() && !receive(); }

  Response read_response(bool has_body = true) {
    Response response = read_head();
    if (!has_body || response.status == 204) return response;
    if (response.headers.count("Transfer-Encoding")) {
      for (std::string chunk = read_chunk(); !chunk.empty(); chunk = read_chunk()) response.body += chunk;
    } else if (response.headers.count("Content-Length")) {
      const auto size = std::stoul(response.headers["Content-Length"]);
      while (buffer_.size() < size)
        if (!receive()) throw std::runtime_error("closed inside a body");
      response.body = cut(size);
    } else {
      response.body = read_to_end();
    }
    return response;
  }
  Response read_head() {
    const std::string head = read_until("\r\n\r\n");
    Response response;
    response.status = std::stoi(head.substr(9, 3));
    for (auto at = head.find("\r\n") + 2; at + 2 < head.size();) {
      const auto end = head.find("\r\n", at), colon = head.find(": ", at);
      response.headers[head.substr(at, colon - at)] = head.substr(colon + 2, end - colon - 2);
      at = end + 2;
    }
    return response;
  }

 private:
  std::string read_chunk() {
    const auto size = std::stoul(read_until("\r\n"), nullptr, 16);
    while (buffer_.size() < size + 2)
      if (!receive()) throw std::runtime_error("closed inside a chunk");
    return cut(size + 2).substr(0, size);
  }
  std::string cut(std::size_t size) {
    std::string front = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return front;
  }
  bool receive() {
    char bytes[64 << 10];
    const auto count = ::recv(socket_, bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      throw std::runtime_error("the server says nothing");
    if (count > 0) buffer_.append(bytes, std::size_t(count));
    return count > 0;
  }

  int socket_;
  std::string buffer_;
};

// The data of a stream's events, in order; they may have ids.
inline std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < body.size();) {
    if (body.compare(at, 4, "id: ") == 0) at = body.find('\n', at) + 1;
    const auto end = body.find("\n\n", at);
    if (end == body.npos || body.compare(at, 6, "data: ") != 0) throw std::runtime_error("not an event");
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end + 2;
  }
  return events;
}

}  // namespace troupe::actors::edge
