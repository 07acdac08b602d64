// Bytes that only the owner of a certificate's key can read: a CMS message (RFC 5652), AES-256-GCM. Any thread.
//
//   openssl cms -decrypt -inform DER -in FILE -recip CERTIFICATE.pem -inkey KEY.pem
#pragma once

#include <string>
#include <string_view>

#include "actors/link/pem.hpp"

namespace troupe::actors::edge {

// Throws Error for a certificate that nothing can be encrypted for.
std::string sealed(std::string_view bytes, X509* certificate);

}  // namespace troupe::actors::edge
