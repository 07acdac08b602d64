// One value of a JSON file, together with where it stands, so that every complaint names file and field. Not
// owned: it points into the parsed document.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string file, std::string path = {})
      : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  bool is_null() const { return value_->is_null(); }

  // All of these throw Error if the value is of another type.
  JsonField operator[](std::string_view key) const;  // of an object; null if it has no such key
  std::vector<JsonField> elements() const;
  std::string text() const;
  bool boolean() const;
  bool boolean_or(bool if_null) const { return is_null() ? if_null : boolean(); }
  std::int64_t integer(std::int64_t least, std::int64_t most) const;

  void allow_only(std::initializer_list<std::string_view> keys) const;
  [[noreturn]] void fail(std::string_view what) const;

 private:
  const nlohmann::json* value_;
  std::string file_;
  std::string path_;  // "model.merges[3]"
};

}  // namespace troupe::model
