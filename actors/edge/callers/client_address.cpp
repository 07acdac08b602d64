#include "actors/edge/callers/client_address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "config/setting.hpp"

namespace troupe::actors::edge {
namespace {

constexpr unsigned v4_prefix = 96;  // of addresses of IPv4 among those of IPv6
constexpr unsigned client_prefix = 64;

net::ip::address_v6 as_v6(const net::ip::address& address) {
  return address.is_v4() ? net::ip::make_address_v6(net::ip::v4_mapped, address.to_v4()) : address.to_v6();
}

// With only its first bits.
net::ip::address_v6 masked(const net::ip::address_v6& address, unsigned bits) {
  auto bytes = address.to_bytes();
  for (unsigned i = 0; i < 8 * bytes.size(); ++i)
    if (i >= bits) bytes[i / 8] &= static_cast<unsigned char>(~(0x80u >> (i % 8)));
  return net::ip::address_v6(bytes);
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

net::ip::address plain(net::ip::address address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return net::ip::make_address_v4(net::ip::v4_mapped, address.to_v6());
  return address;
}

}  // namespace

ClientAddresses::ClientAddresses(const std::vector<std::string>& trusted_proxies) {
  for (const std::string& each : trusted_proxies) {
    const auto slash = std::min(each.find('/'), each.size());
    error_code error;
    const auto address = net::ip::make_address(each.substr(0, slash), error);
    const unsigned most = !error && address.is_v4() ? 32 : 128;
    unsigned prefix = most;
    bool valid = !error;
    if (slash < each.size()) {
      const char* const end = each.data() + each.size();
      const auto [stop, failure] = std::from_chars(each.data() + slash + 1, end, prefix);
      valid = valid && failure == std::errc() && stop == end && prefix <= most;
    }
    if (!valid)
      throw config::UsageError("'" + each + "' is neither an address nor a network such as 10.0.0.0/8",
                               "--trusted-proxy");
    if (address.is_v4()) prefix += v4_prefix;
    proxies_.push_back({masked(as_v6(address), prefix), prefix});
  }
}

net::ip::address ClientAddresses::client(net::ip::address peer, std::string_view forwarded_for) const {
  net::ip::address last = plain(peer);
  while (trusts(last) && !forwarded_for.empty()) {
    const auto comma = forwarded_for.rfind(',');
    const std::string_view before =
        trimmed(comma == forwarded_for.npos ? forwarded_for : forwarded_for.substr(comma + 1));
    error_code error;
    const auto address = net::ip::make_address(std::string(before), error);
    if (error) break;
    last = plain(address);
    forwarded_for = comma == forwarded_for.npos ? "" : forwarded_for.substr(0, comma);
  }
  return last;
}

bool ClientAddresses::trusts(const net::ip::address& address) const {
  return std::ranges::any_of(
      proxies_, [&](const Network& each) { return masked(as_v6(address), each.prefix) == each.address; });
}

std::string network_of(const net::ip::address& address) {
  const net::ip::address one = plain(address);
  if (one.is_v4()) return one.to_string();
  return masked(one.to_v6(), client_prefix).to_string() + "/" + std::to_string(client_prefix);
}

}  // namespace troupe::actors::edge
