// Who a client is on the network: the one that connected, or whom a trusted proxy speaks for. Unchanging; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "actors/edge/asio.hpp"

namespace troupe::actors::edge {

class ClientAddresses {
 public:
  // trusted_proxies: addresses and networks. Throws UsageError for what is neither.
  explicit ClientAddresses(const std::vector<std::string>& trusted_proxies);

  // forwarded_for: value of X-Forwarded-For, "client, proxy, proxy"; the last that is no trusted proxy is the client, since
  // what stands before it anybody may have written. The peer, where there is no such address.
  net::ip::address client(net::ip::address peer, std::string_view forwarded_for) const;

 private:
  struct Network {
    net::ip::address_v6 address;  // IPv4 as ::ffff:a.b.c.d
    unsigned prefix = 128;
  };
  bool trusts(const net::ip::address& address) const;

  std::vector<Network> proxies_;
};

// What one client has for itself: of IPv4 an address, of IPv6 a network of 64 bits.
std::string network_of(const net::ip::address& address);

}  // namespace troupe::actors::edge
