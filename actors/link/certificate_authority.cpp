#include "actors/link/certificate_authority.hpp"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "runtime/base/error.hpp"

namespace troupe::actors {
namespace {

constexpr int serial_bits = 159;  // RFC 5280 4.1.2.2: at most 20 octets, and positive
constexpr long clock_difference_seconds = 3600;
constexpr std::size_t max_common_name_bytes = 64;  // RFC 5280's ub-common-name

using Number = std::unique_ptr<BIGNUM, Release<BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Release<X509_EXTENSION_free>>;
using Time = std::unique_ptr<ASN1_TIME, Release<ASN1_TIME_free>>;

bool is_address(const std::string& text) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 || inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 1123 2.1. The last label has a letter, or the name would be a mistyped address.
bool is_dns_name(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  for (std::string_view rest = name;;) {
    const auto dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.starts_with('-') || label.ends_with('-')) return false;
    if (!std::ranges::all_of(label, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; }))
      return false;
    if (dot == rest.npos) return std::ranges::any_of(label, is_letter);
    rest.remove_prefix(dot + 1);
  }
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension made(X509V3_EXT_nconf_nid(nullptr, &context, kind, value.c_str()));
  must(made && X509_add_ext(certificate, made.get(), -1) == 1, "adding an extension to a certificate");
}

void set_serial(X509* certificate) {
  const Number number(BN_new());
  must(number && BN_rand(number.get(), serial_bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)),
       "drawing a certificate's number");
}

void set_validity(X509* certificate, std::chrono::days validity) {
  must(X509_gmtime_adj(X509_getm_notBefore(certificate), -clock_difference_seconds) &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), int(validity.count()), 0, nullptr),
       "setting a certificate's validity");
}

void set_subject(X509* certificate, const std::string& common_name) {
  if (common_name.size() > max_common_name_bytes) return;  // subjectAltName has it
  must(X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                  reinterpret_cast<const unsigned char*>(common_name.data()),
                                  int(common_name.size()), -1, 0) == 1,
       "setting a certificate's subject");
}

// All but issuer, extensions and signature. The caller owns the certificate.
X509* new_certificate(const std::string& common_name, std::chrono::days validity, EVP_PKEY* key) {
  Certificate made(X509_new());
  must(made && X509_set_version(made.get(), X509_VERSION_3) == 1 && X509_set_pubkey(made.get(), key) == 1,
       "making a certificate");
  set_serial(made.get());
  set_validity(made.get(), validity);
  set_subject(made.get(), common_name);
  return made.release();
}

EVP_PKEY* new_key() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  must(key != nullptr, "making a key");
  return key;
}

void sign(X509* certificate, EVP_PKEY* key) {
  must(X509_sign(certificate, key, EVP_sha256()) > 0, "signing a certificate");
}

}  // namespace

bool is_host(std::string_view name) {
  return is_dns_name(name) || (name.find('\0') == name.npos && is_address(std::string(name)));
}

CertificateAuthority::CertificateAuthority(Certificate certificate, Key key)
    : certificate_(std::move(certificate)), key_(std::move(key)) {}

CertificateAuthority CertificateAuthority::make(const std::string& common_name, std::chrono::days validity) {
  CHECK(!common_name.empty() && common_name.size() <= max_common_name_bytes, common_name);
  Key key(new_key());
  Certificate certificate(new_certificate(common_name, validity, key.get()));
  X509* const own = certificate.get();
  must(X509_set_issuer_name(own, X509_get_subject_name(own)) == 1, "making a certificate");
  add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(own, own, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(own, own, NID_subject_key_identifier, "hash");
  sign(own, key.get());
  return {std::move(certificate), std::move(key)};
}

CertificateAuthority CertificateAuthority::load(const Credentials& credentials, const std::string& where) {
  Certificate certificate = std::move(read_certificates(credentials.certificate, where).front());
  Key key = read_key(credentials.key, where);
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    ERR_clear_error();
    throw Error("the key does not fit the certificate", where);
  }
  if (X509_check_ca(certificate.get()) != 1)
    throw Error("the certificate is not that of an authority", where);
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0)
    throw Error("the certificate is out of date", where, "make a new authority and new certificates");
  return {std::move(certificate), std::move(key)};
}

Credentials CertificateAuthority::issue(const std::string& host,
                                        std::optional<std::chrono::days> validity) const {
  CHECK(is_host(host), host);
  const Key key(new_key());
  const Certificate certificate(new_certificate(host, validity.value_or(std::chrono::days{0}), key.get()));
  X509* const own = certificate.get();
  const ASN1_TIME* last = X509_get0_notAfter(certificate_.get());
  if (!validity || ASN1_TIME_compare(X509_get0_notAfter(own), last) > 0)
    must(X509_set1_notAfter(own, last) == 1, "setting a certificate's validity");
  must(X509_set_issuer_name(own, X509_get_subject_name(certificate_.get())) == 1, "making a certificate");
  X509* const issuer = certificate_.get();
  add_extension(own, issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(own, issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(own, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(own, issuer, NID_subject_alt_name,
                "critical," + ((is_address(host) ? "IP:" : "DNS:") + host));
  add_extension(own, issuer, NID_subject_key_identifier, "hash");
  add_extension(own, issuer, NID_authority_key_identifier, "keyid");
  sign(own, key_.get());
  return {to_pem(own), to_pem(key.get())};
}

std::string CertificateAuthority::certificate_pem() const {
  return to_pem(certificate_.get());
}

Credentials CertificateAuthority::credentials() const {
  return {to_pem(certificate_.get()), to_pem(key_.get())};
}

}  // namespace troupe::actors
