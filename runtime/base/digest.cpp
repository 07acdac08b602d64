#include "runtime/base/digest.hpp"

#include <openssl/sha.h>

#include <array>
#include <span>

#include "runtime/base/hex.hpp"

namespace troupe {

std::string digest(std::string_view bytes) {
  constexpr std::size_t digits = 16;
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  return hex(std::as_bytes(std::span(hash)).first(digits / 2));
}

}  // namespace troupe
