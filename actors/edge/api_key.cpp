#include "actors/edge/api_key.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>

#include <algorithm>
#include <array>

namespace troupe::actors::edge {
namespace {

using Digest = std::array<unsigned char, SHA256_DIGEST_LENGTH>;

Digest digest(std::string_view text) {
  Digest out;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data());
  return out;
}

// What stands behind "Bearer"; empty: nothing does.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  const bool bearer = authorization.size() > scheme.size() &&
                      strncasecmp(authorization.data(), scheme.data(), scheme.size()) == 0;
  std::string_view token = bearer ? authorization.substr(scheme.size()) : std::string_view();
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));  // RFC 9110, 11.4
  return token;
}

// Digests have one length, and every key is compared.
bool is_known(std::string_view shown, std::span<const std::string> keys) {
  const Digest of_shown = digest(shown);
  bool known = false;
  for (const std::string& key : keys)
    known |= CRYPTO_memcmp(digest(key).data(), of_shown.data(), of_shown.size()) == 0;
  return known && !shown.empty();
}

}  // namespace

Expected<void> check_api_key(std::string_view authorization, std::string_view x_api_key,
                             std::span<const std::string> keys) {
  if (keys.empty() || is_known(bearer_token(authorization), keys) || is_known(x_api_key, keys)) return {};
  return refuse(RefusalKind::unauthorized, "A valid API key is needed, as 'Authorization: Bearer KEY'.", "",
                "invalid_api_key");
}

}  // namespace troupe::actors::edge
