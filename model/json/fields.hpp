// Reads an object that may hold nothing unknown: what is set must have been asked for. One owner.
#pragma once

#include <initializer_list>
#include <string_view>

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

 private:
  JsonValue object_;
  FieldNames asked_;
};

}  // namespace troupe::model
