// The HTTP edge: listens, and serves each connection until it is stopped. Its threads are its own; its
// methods may be called from any other thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "actors/service.hpp"
#include "config/edge_settings.hpp"

namespace troupe::actors::edge {

class HttpServer {
 public:
  // Listens when it returns. settings: outlive this. version: of the program, shown at /version. Throws Error
  // when the address cannot be had.
  HttpServer(const config::EdgeSettings& settings, std::string version, std::shared_ptr<Service> service);
  ~HttpServer();  // as stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;  // the one chosen when the settings said 0

  // Accepts nobody any more, lets answers in progress end for the stop timeout, then cuts them off. Returns
  // when all is quiet. Idempotent.
  void stop();

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace troupe::actors::edge
