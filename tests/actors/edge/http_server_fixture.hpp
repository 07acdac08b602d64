// A server over a scripted service, and one request at a time to it.
#pragma once

#include <gtest/gtest.h>

#include "actors/edge/http_server.hpp"
#include "tests/actors/edge/client.hpp"
#include "tests/actors/edge/scripted_service.hpp"

namespace troupe::actors::edge {

struct HttpServerFixture : testing::Test {
  std::shared_ptr<ScriptedService> service = std::make_shared<ScriptedService>();
  config::EdgeSettings settings;
  std::unique_ptr<HttpServer> server;

  HttpServerFixture() {
    settings.port = 0;
    settings.connection.linger_timeout = std::chrono::milliseconds(500);
  }
  std::uint16_t port() {
    if (!server) server = std::make_unique<HttpServer>(settings, "1.2.3", service);
    return server->port();
  }
  Response get(std::string_view target) {
    Client client(port());
    client.get(target);
    return client.read_response();
  }
  Response post(std::string_view target, std::string_view body) {
    Client client(port());
    client.post(target, body);
    return client.read_response();
  }
};

}  // namespace troupe::actors::edge
