#include "actors/link/pem.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "runtime/base/error.hpp"

namespace troupe::actors {
namespace {

using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;

template <class Write>
std::string written(Write write) {
  const Bio bio(BIO_new(BIO_s_mem()));
  must(bio && write(bio.get()) == 1, "writing PEM");
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, std::size_t(size)};
}

Bio reader(const std::string& text) {
  Bio bio(BIO_new_mem_buf(text.data(), int(text.size())));
  must(bio != nullptr, "reading PEM");
  return bio;
}

// Without it OpenSSL would ask the terminal for the password of an encrypted key.
int no_password(char*, int, int, void*) {
  return -1;
}

}  // namespace

std::string openssl_failure() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason ? reason : "unknown failure";
}

void must(bool done, const char* what) {
  if (!done) throw Error(openssl_failure(), what);
}

std::vector<Certificate> read_certificates(const std::string& text, const std::string& where) {
  const Bio bio = reader(text);
  std::vector<Certificate> all;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)})
    all.push_back(std::move(next));
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (all.empty() || !at_end) throw Error("the certificate cannot be read: " + openssl_failure(), where);
  ERR_clear_error();
  return all;
}

Key read_key(const std::string& text, const std::string& where) {
  const Bio bio = reader(text);
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (!key)
    throw Error("the key cannot be read: " + openssl_failure(), where, "it must be PEM, without a password");
  return key;
}

std::string to_pem(X509* certificate) {
  return written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string to_pem(EVP_PKEY* key) {
  return written(
      [&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

}  // namespace troupe::actors
