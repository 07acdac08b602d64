// A certificate authority of one deployment: in memory for one launch, or kept in a folder by `troupe certs`.
// Whoever shows a certificate of the same authority belongs to the replica. EC P-256, X.509 version 3.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "actors/link/pem.hpp"

namespace troupe::actors {

// Both in PEM; the key is PKCS #8, not encrypted.
struct Credentials {
  std::string certificate, key;
};

// A DNS name (letters, digits, hyphens, dots) or an IPv4 or IPv6 address.
bool is_host(std::string_view name);

// One thread at a time.
class CertificateAuthority {
 public:
  // common_name: 1 to 64 bytes. Certificates are valid from an hour ago, as clocks of hosts differ.
  static CertificateAuthority make(const std::string& common_name, std::chrono::days validity);
  // where: what the errors call the source. Throws Error for what is no authority, is out of date, or has
  // another's key.
  static CertificateAuthority load(const Credentials& credentials, const std::string& where);

  // For TLS in both roles. host: is_host, becomes the subjectAltName. validity: unset, or past its own end:
  // as long as the authority's.
  Credentials issue(const std::string& host, std::optional<std::chrono::days> validity = {}) const;

  std::string certificate_pem() const;
  Credentials credentials() const;  // its own

 private:
  CertificateAuthority(Certificate certificate, Key key);

  Certificate certificate_;
  Key key_;
};

}  // namespace troupe::actors
