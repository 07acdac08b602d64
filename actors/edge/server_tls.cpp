#include "actors/edge/server_tls.hpp"

#include <boost/asio/ssl/context.hpp>
#include <string_view>

#include "runtime/base/error.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

namespace ssl = net::ssl;

constexpr unsigned char session_context[] = "troupe";  // whose sessions clients may resume
constexpr unsigned char protocols[] = "\x08http/1.1";  // of ALPN, each behind its length

void check_usable(error_code error, const std::string& file, std::string_view remedy) {
  if (error) throw Error("cannot be used for TLS: " + error.message(), file, remedy);
}

// ALPN. Clients that offer none of our protocols are told so and leave; those that offer nothing speak HTTP/1.1.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* length, const unsigned char* offered,
                    unsigned int size, void*) {
  unsigned char* found = nullptr;
  const int outcome = SSL_select_next_proto(&found, length, protocols, sizeof protocols - 1, offered, size);
  *chosen = found;
  return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void ask_for_certificates(ssl::context& context, const std::string& authorities, bool demanded) {
  error_code error;
  context.load_verify_file(authorities, error);
  check_usable(error, authorities, "--ssl-ca-certs wants a PEM file of certificates");
  context.set_verify_mode(ssl::verify_peer | (demanded ? ssl::verify_fail_if_no_peer_cert : 0));
  SSL_CTX_set_client_CA_list(context.native_handle(), SSL_load_client_CA_file(authorities.c_str()));
}

TlsOfServer make_context(const config::EdgeTlsSettings& settings) {
  if (settings.certificate.empty()) return nullptr;
  const std::string& key = settings.key.empty() ? settings.certificate : settings.key;
  const auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  CHECK(SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set_session_id_context(native, session_context, sizeof session_context - 1) == 1);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  // Without it OpenSSL would ask the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); });
  error_code error;
  context->use_certificate_chain_file(settings.certificate, error);
  check_usable(error, settings.certificate, "--ssl-certfile wants a PEM file of certificates");
  context->use_private_key_file(key, ssl::context::pem, error);
  check_usable(error, key, "--ssl-keyfile wants the certificate's key as PEM, without a password");
  if (settings.asks_for_certificates())
    ask_for_certificates(*context, settings.authorities, settings.demands_certificates());
  return context;
}

}  // namespace

ServerTls::ServerTls(const config::EdgeTlsSettings& settings)
    : settings_(settings), context_(make_context(settings)) {}

TlsOfServer ServerTls::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

void ServerTls::reload() {
  if (settings_.certificate.empty()) return;
  try {
    TlsOfServer fresh = make_context(settings_);
    const std::lock_guard lock(mutex_);
    context_ = std::move(fresh);
  } catch (const std::exception& error) {
    return log_event(LogLevel::error, "certificate_kept",
                     {{"file", settings_.certificate}, {"error", error.what()}});
  }
  log_event(LogLevel::info, "certificate_read", {{"file", settings_.certificate}});
}

}  // namespace troupe::actors::edge
