#include "actors/edge/capture/sealed.hpp"

#include <openssl/cms.h>

namespace troupe::actors::edge {
namespace {

using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using Message = std::unique_ptr<CMS_ContentInfo, Release<CMS_ContentInfo_free>>;
struct ReleaseStack {  // not what is on it
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

}  // namespace

std::string sealed(std::string_view bytes, X509* certificate) {
  const std::unique_ptr<STACK_OF(X509), ReleaseStack> readers(sk_X509_new_null());
  must(readers && sk_X509_push(readers.get(), certificate) > 0, "naming who reads a capture");
  const Bio in(BIO_new_mem_buf(bytes.data(), int(bytes.size()))), out(BIO_new(BIO_s_mem()));
  must(in && out, "encrypting a capture");
  const Message message(CMS_encrypt(readers.get(), in.get(), EVP_aes_256_gcm(), CMS_BINARY));
  must(message && i2d_CMS_bio(out.get(), message.get()) == 1, "encrypting a capture");
  char* written = nullptr;
  const long size = BIO_get_mem_data(out.get(), &written);
  return {written, std::size_t(size)};
}

}  // namespace troupe::actors::edge
