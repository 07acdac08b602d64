#include "launch/pull/proxy.hpp"

#include <cstdlib>
#include <sstream>

#include "config/settings.hpp"

namespace troupe::launch::pull {
namespace {

// Of hosts that are asked directly: HOST, .DOMAIN, DOMAIN for what is below it, too, or *.
bool names(std::string list, const std::string& host) {
  std::istringstream entries(list);
  for (std::string entry; std::getline(entries, entry, ',');) {
    std::erase(entry, ' ');
    if (entry.starts_with('.')) entry.erase(0, 1);
    if (entry == "*" || (!entry.empty() && (host == entry || host.ends_with("." + entry)))) return true;
  }
  return false;
}

}  // namespace

std::string process_variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::optional<Url> proxy_for(const Url& url, const std::function<std::string(const char* name)>& variable) {
  const auto first_of = [&](const char* name, const char* other) {
    const std::string value = variable(name);
    return value.empty() && other ? variable(other) : value;
  };
  // HTTP_PROXY may be what a request of CGI has put there.
  const std::string value =
      url.secure ? first_of("https_proxy", "HTTPS_PROXY") : first_of("http_proxy", nullptr);
  if (value.empty() || config::is_loopback(url.host) || names(first_of("no_proxy", "NO_PROXY"), url.host))
    return std::nullopt;
  const auto proxy = parse_url(value.find("://") == value.npos ? "http://" + value : value);
  if (!proxy || proxy->secure)
    throw Error("is no proxy such as http://proxy.example:3128", url.secure ? "HTTPS_PROXY" : "http_proxy",
                "those with a password, or with TLS, are not spoken to");
  return proxy;
}

}  // namespace troupe::launch::pull
