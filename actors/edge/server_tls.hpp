// What the edge speaks TLS with: its certificate, and whose clients it admits. Connections keep what they began with.
// Thread-safe.
#pragma once

#include <memory>
#include <mutex>

#include "actors/edge/asio.hpp"
#include "config/edge_settings.hpp"

namespace boost::asio::ssl {
class context;
}

namespace troupe::actors::edge {

using TlsOfServer = std::shared_ptr<net::ssl::context>;

class ServerTls {
 public:
  // settings outlive this. Throws Error that names the file for what cannot be used.
  explicit ServerTls(const config::EdgeTlsSettings& settings);

  TlsOfServer context() const;  // null: HTTP in clear
  void reload();                // files that cannot be used change nothing, and the log says why

 private:
  const config::EdgeTlsSettings& settings_;
  mutable std::mutex mutex_;  // guards the next
  TlsOfServer context_;
};

}  // namespace troupe::actors::edge
