#include "runtime/base/digest.hpp"

#include <openssl/sha.h>

#include <array>
#include <span>

#include "runtime/base/hex.hpp"

namespace troupe {

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  return hex(std::as_bytes(std::span(hash)));
}

std::string digest(std::string_view bytes) {
  constexpr std::size_t digits = 16;
  return sha256_hex(bytes).substr(0, digits);
}

}  // namespace troupe
