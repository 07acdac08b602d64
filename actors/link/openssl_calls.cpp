#include "actors/link/openssl_calls.hpp"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "actors/link/handshakes.hpp"

namespace {

// Made, and its thread started, where the first handshake is accepted.
troupe::actors::Handshakes& handshakes() {
  static troupe::actors::Handshakes all(troupe::actors::most_handshakes, troupe::actors::handshake_limit);
  return all;
}

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
  const int result = call(ssl);
  switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      handshakes().goes_on(ssl, SSL_get_fd(ssl));
      break;
    default:
      handshakes().is_over(ssl);
  }
  return result;
}

void SSL_free(SSL* ssl) {
  static const auto call = real<void(SSL*)>("SSL_free");
  if (ssl && SSL_is_server(ssl)) handshakes().is_over(ssl);
  call(ssl);
}

int SSL_connect(SSL* ssl) {
  static const auto call = real<int(SSL*)>("SSL_connect");
  ERR_clear_error();
  return call(ssl);
}

}  // extern "C"

void troupe::actors::mend_openssl_calls() {}
