#include "runtime/base/grammar_spec.hpp"

#include <openssl/sha.h>

#include <array>

namespace troupe {

// The beginning of the SHA-256 of all fields; the two texts cannot run into each other, for the length of one is in it.
GrammarId grammar_id(const GrammarSpec& spec) {
  std::string whole{char(spec.kind), char(spec.any_whitespace), char(spec.strict)};
  whole += std::to_string(spec.after.size()) + ':' + spec.after + *spec.text;
  std::array<std::uint64_t, SHA256_DIGEST_LENGTH / 8> hash;
  SHA256(reinterpret_cast<const unsigned char*>(whole.data()), whole.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return {.high = hash[0], .low = hash[1]};
}

}  // namespace troupe
