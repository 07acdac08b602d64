#include "actors/edge/routes.hpp"

#include <array>
#include <charconv>

namespace troupe::actors::edge {
namespace {

constexpr std::string_view read_only = "GET, HEAD, OPTIONS";
constexpr std::string_view post_only = "POST, OPTIONS";
constexpr std::string_view model_prefix = "/v1/models/";

struct Entry {
  std::string_view path;
  Endpoint endpoint;
  std::string_view allow;
  bool replica_control = false;
};
constexpr std::array table{
    Entry{"/v1/chat/completions", Endpoint::chat_completions, post_only},
    Entry{"/v1/completions", Endpoint::completions, post_only},
    Entry{"/v1/models", Endpoint::models, read_only},
    Entry{"/health", Endpoint::health, read_only},
    Entry{"/livez", Endpoint::livez, read_only},
    Entry{"/readyz", Endpoint::readyz, read_only},
    Entry{"/startupz", Endpoint::startupz, read_only},
    Entry{"/metrics", Endpoint::metrics, read_only},
    Entry{"/version", Endpoint::version, read_only},
    Entry{"/v1/replica", Endpoint::replica, read_only},
    Entry{"/v1/replica/drill", Endpoint::replica_drill, post_only, true},
    Entry{"/v1/replica/placement", Endpoint::replica_placement, post_only, true},
};

// Path of a target, still encoded.
std::string_view path_of(std::string_view target) {
  if (!target.starts_with('/')) {
    const auto scheme = target.find("://");
    if (scheme != target.npos) {
      const auto path = target.find('/', scheme + 3);
      target = path == target.npos ? "/" : target.substr(path);
    }
  }
  return target.substr(0, target.find_first_of("?#"));
}

Expected<std::string> decode(std::string_view encoded) {
  std::string text;
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    if (encoded[i] != '%') {
      text += encoded[i];
      continue;
    }
    unsigned char byte = 0;
    const std::string_view digits = encoded.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2)
      return refuse("The path holds a '%' that is not followed by two hexadecimal digits.");
    text += char(byte);
    i += 2;
  }
  return text;
}

}  // namespace

Expected<Resource> find_resource(std::string_view target, bool replica_control) {
  auto path = decode(path_of(target));
  if (!path) return tl::unexpected(path.error());
  if (path->size() > 1 && path->ends_with('/')) path->pop_back();
  for (const Entry& entry : table)
    if (entry.path == *path && (replica_control || !entry.replica_control))
      return Resource{entry.endpoint, entry.path, entry.allow, path->starts_with("/v1/"), {}};
  if (path->starts_with(model_prefix))
    return Resource{Endpoint::model, "/v1/models/{id}", read_only, true, path->substr(model_prefix.size())};
  return refuse(RefusalKind::not_found, "There is nothing at this path.", "", "unknown_route");
}

bool allows(const Resource& resource, std::string_view method) {
  for (std::string_view rest = resource.allow; !rest.empty();) {
    const auto comma = rest.find(", ");
    if (rest.substr(0, comma) == method) return true;
    rest = comma == rest.npos ? "" : rest.substr(comma + 2);
  }
  return false;
}

}  // namespace troupe::actors::edge
