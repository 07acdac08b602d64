#include "runtime/base/build_id.hpp"

#include <openssl/sha.h>

#include <array>
#include <span>

#include "runtime/base/file.hpp"
#include "runtime/base/hex.hpp"

namespace troupe {
namespace {

constexpr std::size_t max_program_bytes = std::size_t{1} << 30, digits = 16;

std::string compute() {
  const std::string program = read_file("/proc/self/exe", max_program_bytes);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(program.data()), program.size(), hash.data());
  return hex(std::as_bytes(std::span(hash)).first(digits / 2));
}

}  // namespace

const std::string& build_id() {
  static const std::string id = compute();
  return id;
}

}  // namespace troupe
