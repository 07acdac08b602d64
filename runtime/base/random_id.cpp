#include "runtime/base/random_id.hpp"

#include <openssl/rand.h>

#include <array>
#include <span>

#include "runtime/base/error.hpp"
#include "runtime/base/hex.hpp"

namespace troupe {

std::string random_id() {
  std::array<unsigned char, 16> bytes;
  CHECK(RAND_bytes(bytes.data(), int(bytes.size())) == 1, "the system has random bytes");
  return hex(std::as_bytes(std::span(bytes)));
}

}  // namespace troupe
