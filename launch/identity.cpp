#include "launch/identity.hpp"

#include <nlohmann/json.hpp>

#include "actors/link/certificate_authority.hpp"
#include "runtime/base/file.hpp"

namespace troupe::launch {
namespace {

constexpr std::size_t max_pem_bytes = 1 << 20;
constexpr std::chrono::days longest_launch{3650};

}  // namespace

actors::TlsIdentity read_identity(const config::Settings& settings) {
  return {read_file(settings.tls_ca, max_pem_bytes), read_file(settings.tls_certificate, max_pem_bytes),
          read_file(settings.tls_key, max_pem_bytes)};
}

actors::TlsIdentity identity_of_launch(const config::Settings& settings) {
  if (!settings.tls_ca.empty()) return read_identity(settings);
  const auto authority = actors::CertificateAuthority::make("troupe launch", longest_launch);
  auto issued = authority.issue("localhost");
  return {authority.certificate_pem(), std::move(issued.certificate), std::move(issued.key)};
}

std::string to_text(const actors::TlsIdentity& identity) {
  return nlohmann::json{identity.authority, identity.certificate, identity.key}.dump();
}

actors::TlsIdentity identity_of(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  return {json.at(0), json.at(1), json.at(2)};
}

}  // namespace troupe::launch
