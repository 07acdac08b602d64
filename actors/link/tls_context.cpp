#include "actors/link/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "actors/link/pem.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors {
namespace {

void show(SSL_CTX* context, const TlsIdentity& identity) {
  const auto chain = read_certificates(identity.certificate, "the certificate for links");
  must(SSL_CTX_use_certificate(context, chain.front().get()) == 1, "taking a certificate for links");
  for (std::size_t i = 1; i < chain.size(); ++i)
    must(SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1, "taking a chain of certificates for links");
  const Key key = read_key(identity.key, "the key for links");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    throw Error("the key does not fit the certificate: " + openssl_failure(), "the key for links");
}

// Of both sides: no name is compared, since whoever the authority signed belongs to the replica.
void demand(SSL_CTX* context, const TlsIdentity& identity) {
  for (const Certificate& each : read_certificates(identity.authority, "the authority for links"))
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), each.get()) == 1, "trusting an authority");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
}

}  // namespace

TlsContext tls_context(const TlsIdentity& identity) {
  TlsContext context(SSL_CTX_new(TLS_method()), SSL_CTX_free);
  must(context && SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION) == 1, "making a TLS context");
  // A link that broke shows its certificate again.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  must(SSL_CTX_set_num_tickets(context.get(), 0) == 1, "making a TLS context");
  show(context.get(), identity);
  demand(context.get(), identity);
  return context;
}

}  // namespace troupe::actors
