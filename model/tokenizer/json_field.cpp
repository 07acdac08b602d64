#include "model/tokenizer/json_field.hpp"

#include <algorithm>

#include "runtime/base/error.hpp"

namespace troupe::model {

JsonField JsonField::operator[](std::string_view key) const {
  static const nlohmann::json null;
  if (!value_->is_object()) fail("must be an object");
  const auto found = value_->find(key);
  const std::string path = path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  return {found == value_->end() ? null : *found, file_, path};
}

std::vector<JsonField> JsonField::elements() const {
  if (!value_->is_array()) fail("must be an array");
  std::vector<JsonField> elements;
  for (const auto& element : *value_) {
    elements.emplace_back(element, file_, path_ + "[" + std::to_string(elements.size()) + "]");
  }
  return elements;
}

std::string JsonField::text() const {
  if (!value_->is_string()) fail("must be a string");
  return value_->get<std::string>();
}

bool JsonField::boolean() const {
  if (!value_->is_boolean()) fail("must be true or false");
  return value_->get<bool>();
}

std::int64_t JsonField::integer(std::int64_t least, std::int64_t most) const {
  const bool fits =
      value_->is_number_integer() &&
      (!value_->is_number_unsigned() || value_->get<std::uint64_t>() <= std::uint64_t(INT64_MAX)) &&
      value_->get<std::int64_t>() >= least && value_->get<std::int64_t>() <= most;
  if (!fits) fail("must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return value_->get<std::int64_t>();
}

void JsonField::allow_only(std::initializer_list<std::string_view> keys) const {
  if (!value_->is_object()) fail("must be an object");
  for (const auto& [key, value] : value_->items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) (*this)[key].fail("is not supported");
  }
}

void JsonField::fail(std::string_view what) const {
  throw Error(path_.empty() ? std::string(what) : path_ + " " + std::string(what), file_);
}

}  // namespace troupe::model
