// What all connections of a process share: mutual TLS 1.3 with those whose certificates have the same authority.
// Immutable once made; any thread.
#pragma once

#include <openssl/types.h>

#include <memory>

#include "actors/link/identity.hpp"

namespace troupe::actors {

using TlsContext = std::shared_ptr<SSL_CTX>;

// Throws Error for an identity that cannot be read, or whose key is another's.
TlsContext tls_context(const TlsIdentity& identity);

}  // namespace troupe::actors
