#include "actors/edge/callers/key_ring.hpp"

#include <openssl/crypto.h>
#include <strings.h>

#include <algorithm>

#include "runtime/base/digest.hpp"

namespace troupe::actors::edge {

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  const bool bearer = authorization.size() > scheme.size() &&
                      strncasecmp(authorization.data(), scheme.data(), scheme.size()) == 0;
  std::string_view token = bearer ? authorization.substr(scheme.size()) : std::string_view();
  token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));  // RFC 9110, 11.4
  return token;
}

KeyRing::KeyRing(const std::vector<std::string>& master_keys, const std::vector<config::Caller>& callers) {
  const auto nameless = std::make_shared<const config::Caller>(config::Caller{.shares_prefix_cache = true});
  for (const std::string& key : master_keys) keys_.push_back({sha256_hex(key), {}, {nameless, true}});
  for (const config::Caller& each : callers) {
    const auto caller = std::make_shared<const config::Caller>(each);
    for (const config::ApiKey& key : each.keys) keys_.push_back({key.sha256, key.expires, {caller, false}});
  }
}

bool KeyRing::Owner::opens(config::KeyClass kind) const {
  using config::KeyClass;
  if (master || kind == KeyClass::none || kind == caller->key_class) return true;
  return kind == KeyClass::metrics && caller->key_class == KeyClass::control;
}

// Digests have one length (whoever reads the file sees to it), and every key is compared.
const KeyRing::Owner* KeyRing::find(std::string_view shown, std::chrono::system_clock::time_point now) const {
  const std::string of_shown = sha256_hex(shown);
  const Key* found = nullptr;
  for (const Key& key : keys_)
    if (CRYPTO_memcmp(key.sha256.data(), of_shown.data(), of_shown.size()) == 0) found = &key;
  const bool valid = found && !shown.empty() && (!found->expires || now < *found->expires);
  return valid ? &found->owner : nullptr;
}

std::vector<std::shared_ptr<const config::Caller>> KeyRing::callers() const {
  std::vector<std::shared_ptr<const config::Caller>> all;
  for (const Key& key : keys_)
    if (!key.owner.master && (all.empty() || all.back() != key.owner.caller)) all.push_back(key.owner.caller);
  return all;
}

}  // namespace troupe::actors::edge
