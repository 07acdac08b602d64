// By what the processes of a replica know each other: certificates for mutual TLS.
#pragma once

#include "actors/link/identity.hpp"
#include "config/settings.hpp"

namespace troupe::launch {

// The files that the settings name. Throws Error.
actors::TlsIdentity read_identity(const config::Settings& settings);
// The same, or, if they name none, of an authority that exists in memory, for this launch alone.
actors::TlsIdentity identity_of_launch(const config::Settings& settings);

// As one text, for the processes of one launch on one host.
std::string to_text(const actors::TlsIdentity& identity);
actors::TlsIdentity identity_of(const std::string& text);

}  // namespace troupe::launch
