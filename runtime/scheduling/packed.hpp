// Values as few bytes: numbers in 7-bit groups, low ones first (LEB128), lists and texts behind their sizes, variants behind
// their index. Both classes take what the types' inspect functions name, in its order. One owner.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace troupe::runtime {

class PackedWriter {
 public:
  using result_type = void;

  explicit PackedWriter(std::string& out) : out_(out) {}
  void operator()(const auto&... each) { (write(each), ...); }

 private:
  template <class T>
  void write(const T& x) {
    if constexpr (std::is_same_v<T, float>)
      number(std::bit_cast<std::uint32_t>(x));
    else if constexpr (std::is_same_v<T, double>)
      number(std::bit_cast<std::uint64_t>(x));
    else if constexpr (std::is_enum_v<T>)
      write(std::underlying_type_t<T>(x));
    else if constexpr (std::is_integral_v<T>)
      number(std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, char, T>>(x));
    else
      inspect(*this, const_cast<T&>(x));  // which only reads it here
  }

  template <class T>
  void write(const std::vector<T>& list) {
    number(list.size());
    for (const T& each : list) write(each);
  }

  void write(const std::string& text) {
    number(text.size());
    out_ += text;
  }

  template <class... T>
  void write(const std::variant<T...>& one) {
    number(one.index());
    std::visit([this](const auto& each) { write(each); }, one);
  }

  void number(std::uint64_t x) {
    for (; x >= 0x80; x >>= 7) out_.push_back(char(x | 0x80));
    out_.push_back(char(x));
  }

  std::string& out_;
};

// What cannot be read is left as it is, and so is all that follows.
class PackedReader {
 public:
  using result_type = void;

  explicit PackedReader(std::string_view bytes) : bytes_(bytes) {}
  void operator()(auto&... each) { (read(each), ...); }
  bool ended_well() const { return whole_ && bytes_.empty(); }
  bool at_end() const { return bytes_.empty(); }

  template <class T>
  void read(T& x) {
    if constexpr (std::is_same_v<T, float>)
      x = std::bit_cast<float>(std::uint32_t(number()));
    else if constexpr (std::is_same_v<T, double>)
      x = std::bit_cast<double>(number());
    else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>)
      x = T(number());
    else
      inspect(*this, x);
  }

  template <class T>
  void read(std::vector<T>& list) {
    const std::uint64_t size = number();
    if (size > bytes_.size()) return fail();  // every element takes a byte at least
    list.resize(size);
    for (T& each : list) read(each);
  }

  void read(std::string& text) {
    const std::uint64_t size = number();
    if (size > bytes_.size()) return fail();
    text = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
  }

  template <class... T>
  void read(std::variant<T...>& one) {
    read_alternative(one, number(), std::index_sequence_for<T...>());
  }

 private:
  template <class Variant, std::size_t... index>
  void read_alternative(Variant& one, std::uint64_t chosen, std::index_sequence<index...>) {
    if (chosen >= sizeof...(index)) return fail();
    ((chosen == index ? read(one.template emplace<index>()) : void()), ...);
  }

  std::uint64_t number() {
    std::uint64_t x = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) break;
      const auto byte = std::uint8_t(bytes_.front());
      bytes_.remove_prefix(1);
      x |= std::uint64_t(byte & 0x7f) << shift;
      if (byte < 0x80) return x;
    }
    fail();
    return 0;
  }

  void fail() {
    whole_ = false;
    bytes_ = {};
  }

  std::string_view bytes_;
  bool whole_ = true;
};

}  // namespace troupe::runtime
