// Reads an object of which it keeps what was asked for, so that the rest can be refused or told. One owner.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "model/json/value.hpp"

namespace troupe::model {

class JsonFields {
 public:
  explicit JsonFields(JsonValue object) : object_(std::move(object)) {}

  // Null if there is no such field. Throws Error when the value is no object.
  JsonValue operator[](std::string_view name) {
    asked_.emplace(name);
    return object_[name];
  }
  void ignore(std::initializer_list<std::string_view> names) { asked_.insert(names.begin(), names.end()); }
  // Throws Error that names a field which is set and was not asked for or ignored.
  void refuse_others() const { object_.allow_only(asked_); }
  // The names of such fields, but for those that are false, 0 or empty, which switch nothing on.
  std::vector<std::string> others() const {
    std::vector<std::string> names;
    for (const auto& [name, value] : object_.value().items())
      if (!asked_.contains(name) && switches_on(value)) names.push_back(name);
    return names;
  }

 private:
  static bool switches_on(const nlohmann::json& value) {
    if (value.is_boolean() || value.is_number()) return value != 0 && value != false;
    return value.is_string() ? !value.get_ref<const std::string&>().empty() : !value.empty();
  }

  JsonValue object_;
  FieldNames asked_;
};

}  // namespace troupe::model
