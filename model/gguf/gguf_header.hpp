// Reads what comes before the tensors' bytes in a GGUF file. Belongs to GgufFile::open.
#pragma once

#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "model/gguf/gguf_file.hpp"

namespace troupe::model {

// Goes through the bytes of a header; whatever is asked for is there, or an Error says what is not.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  template <class T>
  T number(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::uint64_t count(std::string_view what, std::size_t most, std::string_view limit);
  // With its length before it.
  std::string_view text(std::string_view what, std::size_t most, std::string_view limit);
  std::span<const std::byte> take(std::size_t size, std::string_view what);
  std::size_t position() const { return at_; }
  [[noreturn]] void fail(std::string_view what, std::string_view name = {}) const;

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  std::size_t at_ = 0;
};

class GgufHeader {
 public:
  GgufHeader(GgufFile& file, std::span<const std::byte> bytes);
  void read();

 private:
  struct Placed {
    std::string_view name;
    std::uint64_t offset;
  };
  void read_key();
  GgufValue::Held read_value(GgufType type, const std::string& key);
  GgufValue::Held read_array(const std::string& key);
  void read_tensor();
  std::vector<std::int64_t> read_shape(const std::string& name);
  void place_tensors();

  GgufFile& file_;
  std::span<const std::byte> bytes_;
  GgufCursor cursor_;
  std::vector<Placed> placed_;
  std::size_t elements_ = 0;  // of all arrays so far
};

}  // namespace troupe::model
