// A collector of traces: takes what exporters post to a port of loopback. Each wait has a deadline, after which it throws.
#pragma once

#include "tests/actors/edge/client.hpp"

namespace troupe::actors::edge {

class Collector {
 public:
  Collector() : door_(::socket(AF_INET, SOCK_STREAM, 0)) {
    timeval deadline{20, 0};
    setsockopt(door_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(door_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(door_, 8) != 0 ||
        ::getsockname(door_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("cannot listen");
    port_ = ntohs(address.sin_port);
  }
  ~Collector() { ::close(door_); }
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_) + "/v1/traces"; }

  // The next spans, in the order in which they came; it waits until there are so many.
  std::vector<nlohmann::json> next(std::size_t count) {
    std::vector<nlohmann::json> spans;
    while (spans.size() < count) {
      const nlohmann::json told = answer(accept());
      for (const auto& each : told["resourceSpans"][0]["scopeSpans"][0]["spans"]) spans.push_back(each);
    }
    return spans;
  }

  // A socket on which an exporter waits for answer(), which closes it and gives what was posted.
  int accept() {
    const int socket = ::accept(door_, nullptr, nullptr);
    if (socket < 0) throw std::runtime_error("waited for spans");
    return socket;
  }
  static nlohmann::json answer(int socket) {
    std::string text;
    std::size_t body = 0, size = 0;
    for (char bytes[4096]; body == 0 || text.size() < body + size;) {
      const auto count = ::recv(socket, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      text.append(bytes, std::size_t(count));
      const auto end = text.find("\r\n\r\n");
      if (body > 0 || end == text.npos) continue;
      body = end + 4;
      size = std::stoul(text.substr(text.find("Content-Length: ") + 16));
    }
    constexpr std::string_view taken = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    ::send(socket, taken.data(), taken.size(), MSG_NOSIGNAL);
    ::close(socket);
    return nlohmann::json::parse(text.substr(body));
  }

 private:
  int door_;
  std::uint16_t port_ = 0;
};

// Of a span; null: it has none of that name.
inline nlohmann::json attribute(const nlohmann::json& span, std::string_view name) {
  for (const auto& each : span["attributes"])
    if (each["key"] == name) return each["value"].front();
  return nullptr;
}

}  // namespace troupe::actors::edge
