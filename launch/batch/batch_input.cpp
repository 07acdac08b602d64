#include "launch/batch/batch_input.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <span>

#include "launch/json_lines.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/hex.hpp"

namespace troupe::launch::batch {
namespace {

bool blank(const std::string& line) {
  return line.find_first_not_of(" \t\r") == line.npos;
}

std::string digest_of(std::istream& in) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  CHECK(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1, "OpenSSL has SHA-256");
  std::array<char, 1 << 16> piece;
  while (in.read(piece.data(), piece.size()) || in.gcount() > 0)
    CHECK(EVP_DigestUpdate(context.get(), piece.data(), std::size_t(in.gcount())) == 1, "SHA-256");
  std::array<unsigned char, 32> hash;
  CHECK(EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1, "SHA-256");
  return hex(std::as_bytes(std::span(hash)));
}

}  // namespace

BatchInput::BatchInput(const std::filesystem::path& file) : in_(file, std::ios::binary) {
  if (!in_ || !std::filesystem::is_regular_file(file))
    throw Error("is no file that can be read", file.string());
  digest_ = digest_of(in_);
  const auto rewind = [&] {
    in_.clear();
    in_.seekg(0);
  };
  rewind();
  for (std::string line; read_line(in_, line);) lines_ += !blank(line);
  rewind();
}

std::optional<InputLine> BatchInput::next() {
  InputLine line;
  do {
    if (!read_line(in_, line.text)) return std::nullopt;
    ++number_;
  } while (blank(line.text));
  line.number = number_;
  return line;
}

}  // namespace troupe::launch::batch
