#include "model/checkpoint/checkpoint_digest.hpp"

#include <openssl/sha.h>

#include <array>
#include <span>

#include "runtime/base/hex.hpp"

namespace troupe::model {

std::string checkpoint_digest(const Checkpoint& checkpoint) {
  std::string told = checkpoint.config_text();
  for (const std::string& name : checkpoint.names()) {
    const StoredTensor& tensor = checkpoint.tensor(name);
    told.append("\n").append(name).append(" ").append(type_name(tensor.dtype)).append(" ");
    told += shape_text(tensor.shape);
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(told.data()), told.size(), hash.data());
  return hex(std::as_bytes(std::span(hash)));
}

}  // namespace troupe::model
