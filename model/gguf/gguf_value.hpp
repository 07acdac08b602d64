// What a key of a GGUF file holds. It points into the mapped file. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::model {

// The format's numbers for types of values.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };
constexpr std::uint32_t gguf_types = 13;

class GgufValue {
 public:
  using Numbers = std::vector<double>;  // integers up to 2^53 exactly, which is more than any key holds
  using Texts = std::vector<std::string_view>;
  using Held = std::variant<bool, std::int64_t, double, std::string_view, Numbers, Texts>;

  // where: file and key, for messages.
  GgufValue(Held held, std::string where) : held_(std::move(held)), where_(std::move(where)) {}

  // Each throws Error when the value is of another type, or out of [lowest, highest].
  bool boolean() const;
  std::int64_t integer(std::int64_t lowest, std::int64_t highest) const;
  double number(double lowest, double highest) const;
  std::string_view text() const;
  const Texts& texts() const;
  const Numbers& numbers() const;
  std::vector<std::int64_t> integers(std::int64_t lowest, std::int64_t highest) const;
  bool is_array() const { return held_.index() >= 4; }

  // Throws Error about this value.
  [[noreturn]] void fail(std::string_view what, std::string_view remedy = {}) const;

 private:
  template <class T>
  const T& as(std::string_view type) const;

  Held held_;
  std::string where_;
};

}  // namespace troupe::model
