#include "actors/edge/callers/client_address.hpp"

#include <gtest/gtest.h>

#include "config/setting.hpp"

namespace troupe::actors::edge {
namespace {

std::string client(const ClientAddresses& addresses, const char* peer, std::string_view forwarded) {
  return addresses.client(net::ip::make_address(peer), forwarded).to_string();
}

TEST(ClientAddress, WhoConnectsIsTheClientUnlessItIsATrustedProxy) {
  const ClientAddresses none({}), some({"10.0.0.0/8", "192.0.2.7", "fd00::/16"});
  EXPECT_EQ(client(none, "10.0.0.1", "203.0.113.9"), "10.0.0.1");
  EXPECT_EQ(client(some, "10.0.0.1", "203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client(some, "192.0.2.7", "203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client(some, "192.0.2.8", "203.0.113.9"), "192.0.2.8");
  EXPECT_EQ(client(some, "::ffff:10.1.2.3", "203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client(some, "fd00::1", "2001:db8::5"), "2001:db8::5");
  EXPECT_EQ(client(some, "fd01::1", "2001:db8::5"), "fd01::1");
}

// Whatever a client writes into the header itself stands before what the proxies add.
TEST(ClientAddress, OnlyWhatTrustedProxiesWroteCounts) {
  const ClientAddresses addresses({"10.0.0.0/8"});
  EXPECT_EQ(client(addresses, "10.0.0.1", "1.1.1.1, 203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client(addresses, "10.0.0.1", "1.1.1.1 ,203.0.113.9,\t10.0.0.2"), "203.0.113.9");
  EXPECT_EQ(client(addresses, "10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
  EXPECT_EQ(client(addresses, "10.0.0.1", ""), "10.0.0.1");
  for (const char* broken : {"unknown", ",", "203.0.113.9:80", "203.0.113.9, "})
    EXPECT_EQ(client(addresses, "10.0.0.1", broken), "10.0.0.1") << broken;
}

TEST(ClientAddress, WhatIsNoNetworkIsRefused) {
  for (const char* wrong :
       {"", "proxy", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/8 ", "::/129", "/8"})
    EXPECT_THROW(ClientAddresses({wrong}), config::UsageError) << wrong;
}

TEST(ClientAddress, OfIpv6AClientHasANetwork) {
  EXPECT_EQ(network_of(net::ip::make_address("192.0.2.7")), "192.0.2.7");
  EXPECT_EQ(network_of(net::ip::make_address("2001:db8:1:2:3:4:5:6")), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of(net::ip::make_address("2001:db8:1:2:ffff::1")), "2001:db8:1:2::/64");
  EXPECT_EQ(network_of(net::ip::make_address("::ffff:192.0.2.7")), "192.0.2.7") << "as IPv6 sockets have it";
}

}  // namespace
}  // namespace troupe::actors::edge
