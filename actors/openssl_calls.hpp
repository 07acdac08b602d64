// Mends a fault of CAF 0.17.6 with OpenSSL. SSL_get_error(3) demands that the thread's error queue be empty
// before each call that it is asked about; CAF leaves it full when a connection fails, so that the next
// healthy connection that merely has nothing to read looks broken and is closed. A stranger's garbage, or a
// killed worker, would cost another worker its link.
#pragma once

namespace troupe::actors {

// Has every call of SSL_read, SSL_write, SSL_accept and SSL_connect in this process, CAF's too, begin with an
// empty queue. This is so wherever this function is linked in; calling it does nothing more.
void empty_error_queue_before_openssl_calls();

}  // namespace troupe::actors
