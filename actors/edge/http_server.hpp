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
  // Beyond those that are served, that may be told why they are not; more are just closed.
  static constexpr std::size_t refused_connections = 64;

  // Listens when it returns. settings: outlive this. version: of the program, shown at /version. Throws Error
  // when the address cannot be had.
  HttpServer(const config::EdgeSettings& settings, std::string version, std::shared_ptr<Service> service);
  ~HttpServer();  // as stop()
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;  // the one chosen when the settings said 0

  // Leaves: begins no generation any more, lets those in progress end for the shutdown timeout, and refuses those that wait
  // for their turn, if nothing is told of them yet; then accepts nobody and cuts off what is left. Returns when all is
  // quiet. Idempotent.
  void stop();
  void hasten();  // stop() waits for nobody, now and later

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace troupe::actors::edge
