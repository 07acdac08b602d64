#include "runtime/scheduling/prefix_hash.hpp"

#include <openssl/evp.h>

#include <bit>
#include <initializer_list>
#include <memory>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

static_assert(std::endian::native == std::endian::little, "hashes are of little-endian token ids");

BlockHash sha256(std::initializer_list<std::span<const std::byte>> parts) {
  // Looking an algorithm up costs more than hashing a block with it.
  static const std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm(
      EVP_MD_fetch(nullptr, "SHA256", nullptr), &EVP_MD_free);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                     &EVP_MD_CTX_free);
  CHECK(algorithm && context, "OpenSSL has no SHA-256");
  BlockHash hash;
  bool done = EVP_DigestInit_ex2(context.get(), algorithm.get(), nullptr) == 1;
  for (const auto& part : parts)
    done = done && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  done = done && EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1;
  CHECK(done, "SHA-256 failed");
  return hash;
}

}  // namespace

BlockHash prefix_root(std::string_view salt) {
  return sha256({std::as_bytes(std::span(salt))});
}

BlockHash prefix_hash(const BlockHash& parent, ArithmeticClass arithmetic, std::span<const TokenId> tokens) {
  return sha256(
      {std::as_bytes(std::span(parent)), std::as_bytes(std::span(&arithmetic, 1)), std::as_bytes(tokens)});
}

}  // namespace troupe::runtime
