#include "actors/edge/routes.hpp"

#include <array>
#include <charconv>

#include "actors/edge/anthropic/endpoints.hpp"
#include "actors/edge/capture/endpoints.hpp"
#include "actors/edge/drain_page.hpp"
#include "actors/edge/ollama/endpoints.hpp"
#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/openapi.hpp"
#include "actors/edge/replica_pages.hpp"
#include "actors/edge/retries/endpoints.hpp"
#include "actors/edge/scheduler_pages.hpp"
#include "actors/edge/status_pages.hpp"
#include "actors/edge/tgi/endpoints.hpp"
#include "actors/edge/vllm/endpoints.hpp"

namespace troupe::actors::edge {
namespace {

struct Table {
  std::string_view protocol;
  std::span<const Endpoint> endpoints;
};
constexpr std::string_view own = "troupe";

auto tables() {
  return std::array{Table{"openai", openai::endpoints()}, Table{"anthropic", anthropic::endpoints()},
                    Table{"ollama", ollama::endpoints()}, Table{"vllm", vllm::endpoints()},
                    Table{"tgi", tgi::endpoints()},       Table{own, status_endpoints()},
                    Table{own, replica_endpoints()},      Table{own, scheduler_endpoints()},
                    Table{own, drain_endpoints()},        Table{own, capture_endpoints()},
                    Table{own, retry_endpoints()},        Table{own, openapi_endpoints()}};
}

// Path of a target, still encoded, without a '/' at its end.
std::string_view path_of(std::string_view target) {
  if (!target.starts_with('/')) {
    const auto scheme = target.find("://");
    if (scheme != target.npos) {
      const auto path = target.find('/', scheme + 3);
      target = path == target.npos ? "/" : target.substr(path);
    }
  }
  target = target.substr(0, target.find_first_of("?#"));
  if (target.size() > 1 && target.ends_with('/')) target.remove_suffix(1);
  return target;
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

// Whether path is what the endpoint stands for; argument: what its name in braces does.
bool matches(const Endpoint& endpoint, std::string_view path, std::string& argument) {
  const auto brace = endpoint.path.find('{');
  if (brace == endpoint.path.npos) return endpoint.path == path;
  const std::string_view prefix = endpoint.path.substr(0, brace);
  if (!path.starts_with(prefix)) return false;
  argument = path.substr(prefix.size());
  return true;
}

// OPTIONS, which all have, stays the last.
std::string methods_of_both(std::string_view one, std::string_view other) {
  constexpr std::string_view last = "OPTIONS";
  if (one.empty()) return std::string(other);
  std::string both(one.substr(0, one.size() - last.size()));
  for (std::string_view rest = other; rest != last; rest = rest.substr(rest.find(", ") + 2)) {
    const std::string_view method = rest.substr(0, rest.find(", "));
    if (both.find(method) == both.npos) both.append(method).append(", ");
  }
  return both.append(last);
}

}  // namespace

std::vector<const Endpoint*> all_endpoints() {
  std::vector<const Endpoint*> all;
  for (const Table& table : tables())
    for (const Endpoint& each : table.endpoints) all.push_back(&each);
  return all;
}

std::string_view protocol_of(const Endpoint& endpoint) {
  for (const Table& table : tables())
    for (const Endpoint& each : table.endpoints)
      if (&each == &endpoint) return table.protocol;
  return own;
}

Expected<Resource> find_resource(std::string_view method, std::string_view target, bool replica_control,
                                 std::string_view root_path) {
  auto path = decode(path_of(target));
  if (!path) return tl::unexpected(path.error());
  if (!root_path.empty() && (*path + "/").starts_with(std::string(root_path) + "/")) {
    path->erase(0, root_path.size());
    if (path->empty()) *path = "/";
  }
  Resource resource;
  for (const Endpoint* each : all_endpoints()) {
    if (each->replica_control && !replica_control) continue;
    if (!matches(*each, *path, resource.argument)) continue;
    if (!resource.endpoint || (!allows(*resource.endpoint, method) && allows(*each, method)))
      resource.endpoint = each;
    resource.allow = methods_of_both(resource.allow, each->allow);
  }
  if (!resource.endpoint) return refuse_route();
  return resource;
}

tl::unexpected<Refusal> refuse_route() {
  return refuse(RefusalKind::not_found, "There is nothing at this path.", "", "unknown_route");
}

bool allows(const Endpoint& endpoint, std::string_view method) {
  for (std::string_view rest = endpoint.allow; !rest.empty();) {
    const auto comma = rest.find(", ");
    if (rest.substr(0, comma) == method) return true;
    rest = comma == rest.npos ? "" : rest.substr(comma + 2);
  }
  return false;
}

}  // namespace troupe::actors::edge
