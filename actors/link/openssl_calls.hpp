// Mends two faults of CAF 0.17.6 with OpenSSL.
//
// SSL_get_error(3) demands that the thread's error queue be empty before each call that it is asked about;
// CAF leaves it full when a connection fails, so that the next healthy connection that merely has nothing to
// read looks broken and is closed. A stranger's garbage, or a killed worker, would cost another worker its
// link.
//
// CAF waits for ever for a handshake to end. A stranger who begins many would take all descriptors.
#pragma once

#include <chrono>
#include <cstddef>

namespace troupe::actors {

constexpr std::size_t most_handshakes = 64;
constexpr std::chrono::seconds handshake_limit{5};

// Has every call of SSL_read, SSL_write, SSL_accept and SSL_connect in this process, CAF's too, begin with an
// empty queue, and bounds the handshakes that others begin. This is so wherever this function is linked in;
// calling it does nothing more.
void mend_openssl_calls();

}  // namespace troupe::actors
