#include "launch/pull/file_hash.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "runtime/base/error.hpp"
#include "runtime/base/file_descriptor.hpp"
#include "runtime/base/hex.hpp"

namespace troupe::launch::pull {
namespace {

constexpr std::size_t piece_bytes = 1 << 20;

class Hash {
 public:
  explicit Hash(const EVP_MD* kind) : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    CHECK(context_ && EVP_DigestInit_ex(context_.get(), kind, nullptr) == 1);
  }
  void add(const void* bytes, std::size_t count) {
    CHECK(EVP_DigestUpdate(context_.get(), bytes, count) == 1);
  }
  std::string digits() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1);
    return hex(std::as_bytes(std::span(digest.data(), size)));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context_;
};

[[noreturn]] void unreadable(const std::filesystem::path& file) {
  throw Error(std::string("cannot be read: ") + std::strerror(errno), file.string());
}

FileDescriptor open_regular(const std::filesystem::path& file, std::uint64_t& size) {
  FileDescriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!opened || fstat(opened.get(), &status) != 0) unreadable(file);
  if (!S_ISREG(status.st_mode)) throw Error("is no regular file", file.string());
  size = std::uint64_t(status.st_size);
  posix_fadvise(opened.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return opened;
}

}  // namespace

FileHashes hash_file(const std::filesystem::path& file, bool with_git_blob,
                     const std::function<void(std::uint64_t bytes)>& progress) {
  std::uint64_t size = 0;
  const FileDescriptor in = open_regular(file, size);
  Hash sha256(EVP_sha256()), git_blob(EVP_sha1());
  const std::string head = "blob " + std::to_string(size);
  git_blob.add(head.c_str(), head.size() + 1);  // with its zero
  std::vector<char> piece(piece_bytes);
  FileHashes hashes;
  for (;;) {
    const ssize_t count = read(in.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) unreadable(file);
    if (count == 0) break;
    sha256.add(piece.data(), std::size_t(count));
    if (with_git_blob) git_blob.add(piece.data(), std::size_t(count));
    hashes.bytes += std::uint64_t(count);
    progress(std::uint64_t(count));
  }
  hashes.sha256 = sha256.digits();
  if (with_git_blob) hashes.git_blob = git_blob.digits();
  return hashes;
}

}  // namespace troupe::launch::pull
