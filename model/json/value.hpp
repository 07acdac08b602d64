// One value of a JSON file, together with where it stands, so that every complaint names file and field. A
// value that is null counts as absent. Not owned: it points into the parsed document. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

using FieldNames = std::set<std::string, std::less<>>;

class JsonValue {
 public:
  // where: what errors begin with, such as the file; path: of the value in it, such as "model.merges[3]".
  JsonValue(const nlohmann::json& value, std::string_view where, std::string path = {})
      : value_(&value), where_(where), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  bool is_null() const { return value_->is_null(); }

  // Each throws Error when the value is absent, of another type, or out of [lowest, highest].
  JsonValue operator[](std::string_view name) const;  // of an object; null if it has no such field
  std::vector<JsonValue> elements() const;            // of an array
  JsonValue element(std::size_t index) const;         // of an array that has it
  bool boolean() const;
  std::int64_t integer(std::int64_t lowest, std::int64_t highest) const;
  double number(double lowest, double highest) const;
  std::string text() const;

  // The same, but for an absent value, which gives none.
  std::optional<bool> optional_boolean() const;
  std::optional<std::int64_t> optional_integer(std::int64_t lowest, std::int64_t highest) const;
  std::optional<double> optional_number(double lowest, double highest) const;
  std::optional<std::string> optional_text() const;

  // Throws Error that names a field which is set and not among names, or when this is no object.
  void allow_only(const FieldNames& names) const;
  // Throws Error about this value: "/model/config.json: n_group must divide n_routed_experts".
  [[noreturn]] void fail(std::string_view what, std::string_view remedy = {}) const;

 private:
  void require(bool is_type, std::string_view type) const;

  const nlohmann::json* value_;
  std::string where_;
  std::string path_;
};

}  // namespace troupe::model
