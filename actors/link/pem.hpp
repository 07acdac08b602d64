// PEM texts and OpenSSL's objects of them. Any thread.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace troupe::actors {

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using Certificate = std::unique_ptr<X509, Release<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Release<EVP_PKEY_free>>;

// The oldest error of this thread's queue, which is emptied.
std::string openssl_failure();

// Throws Error unless done. For calls that fail only when memory or random bytes run out.
void must(bool done, const char* what);

// All of a text, at least one. where: what the errors call the source. These throw Error.
std::vector<Certificate> read_certificates(const std::string& text, const std::string& where);
Key read_key(const std::string& text, const std::string& where);

std::string to_pem(X509* certificate);
std::string to_pem(EVP_PKEY* key);

}  // namespace troupe::actors
