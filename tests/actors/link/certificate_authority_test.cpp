#include "actors/link/certificate_authority.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <set>

#include "tests/error_of.hpp"

namespace troupe::actors {
namespace {

using std::chrono::days;
using ::testing::HasSubstr;

using Certificate = std::shared_ptr<X509>;
using Key = std::shared_ptr<EVP_PKEY>;

std::shared_ptr<BIO> reading(const std::string& pem) {
  return {BIO_new_mem_buf(pem.data(), int(pem.size())), BIO_free};
}
Certificate certificate_of(const std::string& pem) {
  return {PEM_read_bio_X509(reading(pem).get(), nullptr, nullptr, nullptr), X509_free};
}
Key key_of(const std::string& pem) {
  return {PEM_read_bio_PrivateKey(reading(pem).get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
}

// What a peer that trusts the authority finds, at a time so many days from now.
int verify(const CertificateAuthority& authority, const Credentials& shown, int purpose, int in_days = 0) {
  const Certificate root = certificate_of(authority.certificate_pem()),
                    leaf = certificate_of(shown.certificate);
  const std::shared_ptr<X509_STORE> store(X509_STORE_new(), X509_STORE_free);
  X509_STORE_add_cert(store.get(), root.get());
  const std::shared_ptr<X509_STORE_CTX> context(X509_STORE_CTX_new(), X509_STORE_CTX_free);
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  X509_STORE_CTX_set_time(context.get(), 0, std::time(nullptr) + in_days * 86400);
  X509_verify_cert(context.get());
  return X509_STORE_CTX_get_error(context.get());
}
int verify(const CertificateAuthority& authority, const Credentials& shown) {
  return verify(authority, shown, X509_PURPOSE_SSL_SERVER);
}

TEST(CertificateAuthority, ItsCertificatesAreGoodForBothRoles) {
  const auto authority = CertificateAuthority::make("troupe", days(2));
  const Credentials host = authority.issue("node-a.example");
  EXPECT_EQ(verify(authority, host, X509_PURPOSE_SSL_SERVER), X509_V_OK);
  EXPECT_EQ(verify(authority, host, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
  EXPECT_EQ(verify(authority, host, X509_PURPOSE_SMIME_SIGN), X509_V_ERR_INVALID_PURPOSE);
}

TEST(CertificateAuthority, AStrangersOfTheSameNameIsRefused) {
  const auto ours = CertificateAuthority::make("troupe", days(2));
  const auto strangers = CertificateAuthority::make("troupe", days(2));
  EXPECT_NE(verify(ours, strangers.issue("node-a")), X509_V_OK);
  EXPECT_NE(verify(ours, strangers.credentials()), X509_V_OK);
}

TEST(CertificateAuthority, AHostIsNoAuthority) {
  const auto authority = CertificateAuthority::make("troupe", days(2));
  const Certificate host = certificate_of(authority.issue("node-a").certificate);
  EXPECT_EQ(X509_check_ca(host.get()), 0);
  EXPECT_EQ(X509_get_version(host.get()), X509_VERSION_3);
}

TEST(CertificateAuthority, SaysWhoseItIs) {
  const auto authority = CertificateAuthority::make("troupe", days(2));
  const auto names = [&](const std::string& host, const char* asked) {
    return X509_check_host(certificate_of(authority.issue(host).certificate).get(), asked, 0,
                           X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, nullptr) == 1;
  };
  const auto addresses = [&](const std::string& host, const char* asked) {
    return X509_check_ip_asc(certificate_of(authority.issue(host).certificate).get(), asked, 0) == 1;
  };
  EXPECT_TRUE(names("node-a", "node-a"));
  EXPECT_FALSE(names("node-a", "node-b"));
  std::string long_name(61 + 60, 'a');  // no common name holds it
  long_name[60] = '.';
  EXPECT_TRUE(names(long_name, long_name.c_str()));
  EXPECT_EQ(verify(authority, authority.issue(long_name)), X509_V_OK);
  EXPECT_TRUE(addresses("10.0.0.7", "10.0.0.7"));
  EXPECT_FALSE(addresses("10.0.0.7", "10.0.0.8"));
  EXPECT_TRUE(addresses("fd00::7", "fd00:0::7"));
  EXPECT_FALSE(names("10.0.0.7", "10.0.0.7"));
}

TEST(CertificateAuthority, TheKeySignsWhatTheCertificateVerifies) {
  const Credentials host = CertificateAuthority::make("troupe", days(2)).issue("node-a");
  const Key secret = key_of(host.key),
            open(X509_get_pubkey(certificate_of(host.certificate).get()), EVP_PKEY_free);
  ASSERT_TRUE(secret && open);
  EXPECT_EQ(EVP_PKEY_get_bits(secret.get()), 256);
  const std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const unsigned char text[] = "step 17";
  unsigned char signature[128];
  std::size_t size = sizeof signature;
  ASSERT_EQ(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, secret.get()), 1);
  ASSERT_EQ(EVP_DigestSign(context.get(), signature, &size, text, sizeof text), 1);
  EVP_MD_CTX_reset(context.get());
  ASSERT_EQ(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, open.get()), 1);
  EXPECT_EQ(EVP_DigestVerify(context.get(), signature, size, text, sizeof text), 1);
}

TEST(CertificateAuthority, ValidityEnds) {
  const auto authority = CertificateAuthority::make("troupe", days(10));
  const auto after = [&](std::optional<days> validity, int in_days) {
    return verify(authority, authority.issue("node-a", validity), X509_PURPOSE_SSL_SERVER, in_days);
  };
  EXPECT_EQ(after(days(3), 2), X509_V_OK);
  EXPECT_EQ(after(days(3), 4), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_EQ(after({}, 9), X509_V_OK);
  const Certificate longest = certificate_of(authority.issue("node-a", days(300)).certificate);
  const Certificate root = certificate_of(authority.certificate_pem());
  EXPECT_EQ(ASN1_TIME_compare(X509_get0_notAfter(longest.get()), X509_get0_notAfter(root.get())), 0);
  EXPECT_EQ(verify(authority, authority.issue("node-a"), X509_PURPOSE_SSL_SERVER, -1),
            X509_V_ERR_CERT_NOT_YET_VALID);
}

TEST(CertificateAuthority, NumbersDiffer) {
  const auto authority = CertificateAuthority::make("troupe", days(2));
  std::set<std::string> certificates;
  for (int i = 0; i < 4; ++i) {
    const Certificate made = certificate_of(authority.issue("node-a").certificate);
    const std::shared_ptr<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(made.get()), nullptr),
                                         BN_free);
    EXPECT_FALSE(BN_is_negative(number.get()));
    const std::shared_ptr<char> digits(BN_bn2hex(number.get()), [](char* text) { OPENSSL_free(text); });
    certificates.insert(digits.get());
  }
  EXPECT_EQ(certificates.size(), 4u);
}

TEST(CertificateAuthority, GoesOnAfterItWasStored) {
  const auto made = CertificateAuthority::make("troupe", days(2));
  const auto loaded = CertificateAuthority::load(made.credentials(), "there");
  EXPECT_EQ(verify(made, loaded.issue("node-b")), X509_V_OK);
  EXPECT_EQ(loaded.certificate_pem(), made.certificate_pem());
}

TEST(CertificateAuthority, RefusesWhatIsNone) {
  const Credentials ours = CertificateAuthority::make("troupe", days(2)).credentials();
  const Credentials others = CertificateAuthority::make("troupe", days(2)).credentials();
  const auto refused = [](const Credentials& credentials) {
    return error_of([&] { CertificateAuthority::load(credentials, "there"); });
  };
  EXPECT_THAT(refused({ours.certificate, others.key}),
              HasSubstr("there: the key does not fit the certificate"));
  EXPECT_THAT(refused({"nonsense", ours.key}), HasSubstr("there: the certificate cannot be read"));
  EXPECT_THAT(refused({ours.certificate, ours.certificate}), HasSubstr("there: the key cannot be read"));
  EXPECT_THAT(refused(CertificateAuthority::load(ours, "").issue("node-a")),
              HasSubstr("not that of an authority"));
  EXPECT_THAT(refused(CertificateAuthority::make("troupe", days(-1)).credentials()),
              HasSubstr("out of date"));
}

TEST(CertificateAuthority, KnowsHosts) {
  for (const char* good : {"a", "node-a", "Node.Example", "7up.example", "10.0.0.7", "::1", "fd00::7"})
    EXPECT_TRUE(is_host(good)) << good;
  for (const char* bad : {"", ".", "a.", "a..b", "-a", "a-", "a b", "a,DNS:b", "*.example", "a/b", "..",
                          "300.1.1.1", "1.2.3", "a_b", "fe80::1%eth0", "fd00::g", "h\xc3\xb6st"})
    EXPECT_FALSE(is_host(bad)) << bad;
  EXPECT_FALSE(is_host(std::string(64, 'a')));
  EXPECT_FALSE(is_host(std::string_view("::1\0x", 5)));
}

}  // namespace
}  // namespace troupe::actors
