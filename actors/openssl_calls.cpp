#include "actors/openssl_calls.hpp"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace {

template <class Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// The program's own definitions come before those of the shared libraries.
extern "C" {

int SSL_read(SSL* ssl, void* buffer, int bytes) {
  static const auto call = real<int(SSL*, void*, int)>("SSL_read");
  ERR_clear_error();
  return call(ssl, buffer, bytes);
}

int SSL_write(SSL* ssl, const void* buffer, int bytes) {
  static const auto call = real<int(SSL*, const void*, int)>("SSL_write");
  ERR_clear_error();
  return call(ssl, buffer, bytes);
}

int SSL_accept(SSL* ssl) {
  static const auto call = real<int(SSL*)>("SSL_accept");
  ERR_clear_error();
  return call(ssl);
}

int SSL_connect(SSL* ssl) {
  static const auto call = real<int(SSL*)>("SSL_connect");
  ERR_clear_error();
  return call(ssl);
}

}  // extern "C"

void troupe::actors::empty_error_queue_before_openssl_calls() {}
