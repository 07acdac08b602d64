// By what the processes of a replica know each other: certificates for mutual TLS.
#pragma once

#include "config/settings.hpp"
#include "runtime/worker_order.hpp"

namespace troupe::launch {

// The files that the settings name. Throws Error.
runtime::TlsIdentity read_identity(const config::Settings& settings);
// The same, or, if they name none, of an authority that exists in memory, for this launch alone.
runtime::TlsIdentity identity_of_launch(const config::Settings& settings);

// As one text, for the processes of one launch on one host.
std::string to_text(const runtime::TlsIdentity& identity);
runtime::TlsIdentity identity_of(const std::string& text);

}  // namespace troupe::launch
