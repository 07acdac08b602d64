#include "actors/edge/cors.hpp"

#include <algorithm>

namespace troupe::actors::edge {
namespace {

constexpr const char* remembered_seconds =
    "600";  // of a preflight's answer; Chromium keeps it for 2 hours at most

constexpr const char* exposed_headers =
    "X-Request-Id, Request-Id, X-Region, X-Stream-Id, Idempotent-Replayed, Retry-After, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, "
    "x-ratelimit-reset-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens";

bool any(const std::vector<std::string>& permitted) {
  return std::ranges::find(permitted, "*") != permitted.end();
}

bool admits(const config::CorsSettings& settings, std::string_view origin) {
  return !origin.empty() &&
         (any(settings.allowed_origins) ||
          std::ranges::find(settings.allowed_origins, origin) != settings.allowed_origins.end());
}

std::string listed(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& each : values) list += (list.empty() ? "" : ", ") + each;
  return list;
}

}  // namespace

HeaderFields cors_fields(const config::CorsSettings& settings, std::string_view origin) {
  if (settings.allowed_origins.empty()) return {};
  // With credentials browsers want the origin's name and no star.
  const bool star = any(settings.allowed_origins) && !settings.allow_credentials;
  HeaderFields fields;
  if (!star) fields.emplace_back("Vary", "Origin");  // also of an answer without: caches must not mix them up
  if (!admits(settings, origin)) return fields;
  fields.emplace_back("Access-Control-Allow-Origin", star ? "*" : origin);
  if (settings.allow_credentials) fields.emplace_back("Access-Control-Allow-Credentials", "true");
  fields.emplace_back("Access-Control-Expose-Headers", exposed_headers);
  return fields;
}

HeaderFields preflight_fields(const config::CorsSettings& settings, std::string_view origin,
                              std::string_view method, std::string_view headers, std::string_view allow) {
  if (method.empty() || !admits(settings, origin)) return {};
  HeaderFields fields;
  fields.emplace_back("Access-Control-Allow-Methods",
                      any(settings.allowed_methods) ? std::string(allow) : listed(settings.allowed_methods));
  if (!any(settings.allowed_headers))
    fields.emplace_back("Access-Control-Allow-Headers", listed(settings.allowed_headers));
  else if (!headers.empty())
    fields.emplace_back("Access-Control-Allow-Headers", headers);
  fields.emplace_back("Access-Control-Max-Age", remembered_seconds);
  return fields;
}

}  // namespace troupe::actors::edge
