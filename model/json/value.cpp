#include "model/json/value.hpp"

#include <cmath>

#include "runtime/base/error.hpp"

namespace troupe::model {

using nlohmann::json;

namespace {

std::string outside(const json& value, const json& lowest, const json& highest) {
  return "is " + value.dump() + "; it must be between " + lowest.dump() + " and " + highest.dump();
}

}  // namespace

void JsonValue::require(bool is_type, std::string_view type) const {
  if (is_type) return;
  fail(is_null() && !path_.empty() ? "is missing" : "must be " + std::string(type));
}

JsonValue JsonValue::operator[](std::string_view name) const {
  static const json null;
  require(value_->is_object(), "a JSON object");
  const auto found = value_->find(name);
  const std::string path = path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  return {found == value_->end() ? null : *found, where_, path};
}

std::vector<JsonValue> JsonValue::elements() const {
  require(value_->is_array(), "an array");
  std::vector<JsonValue> elements;
  for (std::size_t i = 0; i < value_->size(); ++i) elements.push_back(element(i));
  return elements;
}

JsonValue JsonValue::element(std::size_t index) const {
  require(value_->is_array(), "an array");
  const std::string path = path_ + "[" + std::to_string(index) + "]";
  if (index >= value_->size()) fail("must have more than " + std::to_string(index) + " elements");
  return {(*value_)[index], where_, path};
}

bool JsonValue::boolean() const {
  require(value_->is_boolean(), "true or false");
  return value_->get<bool>();
}

std::int64_t JsonValue::integer(std::int64_t lowest, std::int64_t highest) const {
  require(value_->is_number_integer(), "an integer");
  const bool fits = !value_->is_number_unsigned() || value_->get<std::uint64_t>() <= std::uint64_t(INT64_MAX);
  const auto integer = value_->get<std::int64_t>();
  if (!fits || integer < lowest || integer > highest) fail(outside(*value_, lowest, highest));
  return integer;
}

double JsonValue::number(double lowest, double highest) const {
  require(value_->is_number(), "a number");
  const double number = value_->get<double>();
  if (!std::isfinite(number) || number < lowest || number > highest) fail(outside(*value_, lowest, highest));
  return number;
}

std::string JsonValue::text() const {
  require(value_->is_string(), "a string");
  return value_->get<std::string>();
}

std::optional<bool> JsonValue::optional_boolean() const {
  return is_null() ? std::nullopt : std::optional(boolean());
}

std::optional<std::int64_t> JsonValue::optional_integer(std::int64_t lowest, std::int64_t highest) const {
  return is_null() ? std::nullopt : std::optional(integer(lowest, highest));
}

std::optional<double> JsonValue::optional_number(double lowest, double highest) const {
  return is_null() ? std::nullopt : std::optional(number(lowest, highest));
}

std::optional<std::string> JsonValue::optional_text() const {
  return is_null() ? std::nullopt : std::optional(text());
}

void JsonValue::allow_only(const FieldNames& names) const {
  require(value_->is_object(), "a JSON object");
  for (const auto& [name, value] : value_->items())
    if (!value.is_null() && !names.contains(name))
      (*this)[name].fail("is not supported", "remove it if it changes nothing");
}

void JsonValue::fail(std::string_view what, std::string_view remedy) const {
  throw Error(path_.empty() ? std::string(what) : path_ + " " + std::string(what), where_, remedy);
}

}  // namespace troupe::model
