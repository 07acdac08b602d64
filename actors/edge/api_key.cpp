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

}  // namespace

Expected<void> check_api_key(std::string_view authorization, std::span<const std::string> keys) {
  if (keys.empty()) return {};
  constexpr std::string_view scheme = "bearer ";
  const bool bearer = authorization.size() > scheme.size() &&
                      strncasecmp(authorization.data(), scheme.data(), scheme.size()) == 0;
  std::string_view key_shown = bearer ? authorization.substr(scheme.size()) : std::string_view();
  key_shown.remove_prefix(std::min(key_shown.find_first_not_of(' '), key_shown.size()));  // RFC 9110, 11.4
  // Digests have one length, and every key is compared.
  const Digest shown = digest(key_shown);
  bool known = false;
  for (const std::string& key : keys)
    known |= CRYPTO_memcmp(digest(key).data(), shown.data(), shown.size()) == 0;
  if (bearer && known) return {};
  return refuse(RefusalKind::unauthorized, "A valid API key is needed, as 'Authorization: Bearer KEY'.", "",
                "invalid_api_key");
}

}  // namespace troupe::actors::edge
