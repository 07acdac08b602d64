// Reads the fields of one JSON object of a request, with OpenAI's words for what is wrong. The first fault is
// kept; what is read after it does not matter, so that callers look once, at the end. One owner.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "actors/edge/json_body.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors::edge {

// Bounds of integers in requests.
constexpr std::int64_t int32_min = std::numeric_limits<std::int32_t>::min(),
                       int32_max = std::numeric_limits<std::int32_t>::max();

class RequestFields {
 public:
  // object: must outlive this; path: what stands before a field's name in messages, such as "messages[3].".
  explicit RequestFields(const Json& object, std::string path = {});

  // JSON null counts as absent everywhere, as OpenAI's clients send it for fields that are not set.
  const Json* find(std::string_view name) const;
  bool boolean(std::string_view name, bool otherwise);
  std::optional<std::int64_t> integer(std::string_view name, std::int64_t low, std::int64_t high);
  std::optional<float> number(std::string_view name, double low, double high);
  std::optional<float> positive(std::string_view name,
                                double high);  // a number above 0, which is not 0 itself
  std::optional<std::string> text(std::string_view name);
  std::optional<std::string> text(std::string_view name, std::size_t max_bytes);
  std::string needed_text(std::string_view name);                      // empty: it is at fault, or is empty
  const Json* object(std::string_view name);                           // null: absent or at fault
  const Json* array(std::string_view name, std::size_t max_elements);  // likewise

  // Calls read(RequestFields&) for each element of an array of objects, up to the first fault.
  template <class Read>
  void each_object(std::string_view name, std::size_t max_elements, Read read);

  std::string param(std::string_view name) const { return path_ + std::string(name); }
  void missing(std::string_view name);
  void wrong_type(std::string_view name, std::string_view expected);
  void unsupported(std::string_view name, std::string_view remedy);
  // Refuses a field that has another value than the one at which it changes nothing; null: it has no such value.
  // remedy: empty: to leave it out, or to send that value.
  void unsupported_unless(std::string_view name, const Json& neutral, std::string_view remedy = {});
  void invalid(std::string_view name, std::string_view sentence, std::string_view code = "invalid_value");
  void keep(const Refusal& refusal);
  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  const Json* value_of(std::string_view name) const;
  const Json* typed(std::string_view name, bool (Json::*is_type)() const, std::string_view expected);
  void wrong_type(std::string_view name, std::string_view expected, const std::string& got);
  template <class MakeSchema>
  void describe(std::string_view name, MakeSchema make_schema) const;  // to whoever records

  const Json& object_;
  std::string path_;
  std::optional<Refusal> refusal_;
};

// The integer of 64 bits that a value is, also a decimal without a fraction; null: it is none.
Json integer_of(const Json& value);

// "an integer", "a string", ...
std::string type_in_words(const Json& value);

template <class Read>
void RequestFields::each_object(std::string_view name, std::size_t max_elements, Read read) {
  const Json* elements = array(name, max_elements);
  for (std::size_t i = 0; elements && i < elements->size() && !refusal_; ++i) {
    const std::string element = std::string(name) + "[" + std::to_string(i) + "]";
    if (!(*elements)[i].is_object()) return wrong_type(element, "an object", type_in_words((*elements)[i]));
    RequestFields inside((*elements)[i], param(element) + ".");
    read(inside);
    if (inside.refusal()) keep(*inside.refusal());
  }
}

}  // namespace troupe::actors::edge
