// A client that speaks TLS over a blocking socket. Each wait has a deadline, after which it fails.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>

#include "tests/actors/edge/client.hpp"

namespace troupe::actors::edge {

class TlsClient {
 public:
  struct Options {
    std::string authority;             // PEM file: the server's certificate must be one of its
    std::string certificate{}, key{};  // PEM files that it shows; empty: none
    int newest = 0;                    // version of TLS; 0: any
    std::string protocols{};  // of ALPN, as it has them on the wire; empty: the extension is not sent
  };

  TlsClient(std::uint16_t port, const Options& options)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), socket_(connect_to(port)) {
    must(SSL_CTX_load_verify_locations(context_.get(), options.authority.c_str(), nullptr) == 1);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_security_level(context_.get(), 0);  // so that it may offer what servers must refuse
    must(SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION) == 1);  // likewise
    if (options.newest != 0) must(SSL_CTX_set_max_proto_version(context_.get(), options.newest) == 1);
    if (!options.certificate.empty()) {
      must(SSL_CTX_use_certificate_chain_file(context_.get(), options.certificate.c_str()) == 1);
      must(SSL_CTX_use_PrivateKey_file(context_.get(), options.key.c_str(), SSL_FILETYPE_PEM) == 1);
    }
    ssl_.reset(SSL_new(context_.get()));
    if (!options.protocols.empty())
      must(SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(options.protocols.data()),
                               unsigned(options.protocols.size())) == 0);
    must(SSL_set_fd(ssl_.get(), socket_) == 1);
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  ~TlsClient() { ::close(socket_); }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string protocol() const {
    const unsigned char* chosen = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &length);
    return {reinterpret_cast<const char*>(chosen), length};
  }
  std::string certificate_digest() const {
    const std::unique_ptr<X509, void (*)(X509*)> shown(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    must(X509_digest(shown.get(), EVP_sha256(), digest, &size) == 1);
    return {reinterpret_cast<const char*>(digest), size};
  }

  void send(std::string_view bytes) { SSL_write(ssl_.get(), bytes.data(), int(bytes.size())); }
  // Up to and with the mark; all there is, where it does not come.
  std::string read_until(std::string_view mark) {
    std::string text;
    char byte = 0;
    while (!text.ends_with(mark) && SSL_read(ssl_.get(), &byte, 1) == 1) text += byte;
    return text;
  }
  // The server said that it has said all, instead of just going.
  bool ended_properly() {
    read_until("no such mark");
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }

 private:
  static void must(bool done) {
    if (!done) throw std::runtime_error("OpenSSL failed");
  }
  static int connect_to(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    timeval deadline{20, 0};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return socket;
  }

  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  int socket_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
  bool connected_ = false;
};

}  // namespace troupe::actors::edge
