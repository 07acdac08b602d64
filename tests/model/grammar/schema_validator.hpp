// Whether a value is as a JSON schema says (the keywords of draft 2020-12 that tests use). It knows nothing of grammars.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace troupe::model {

class SchemaValidator {
 public:
  using Json = nlohmann::ordered_json;
  explicit SchemaValidator(Json root) : root_(std::move(root)) {}
  bool valid(const Json& value) const { return valid(value, root_); }

 private:
  bool valid(const Json& value, const Json& schema) const {
    if (schema.is_boolean()) return schema.get<bool>();
    return std::ranges::all_of(schema.items(),
                               [&](const auto& entry) { return holds(value, schema, entry.key(), entry.value()); });
  }

  bool holds(const Json& value, const Json& schema, const std::string& key, const Json& word) const {
    const auto any = [&](const Json& list) {
      return std::ranges::count_if(list, [&](const Json& one) { return valid(value, one); });
    };
    if (key == "$ref") return valid(value, root_.at(Json::json_pointer(word.get<std::string>().substr(1))));
    if (key == "type") return word.is_string() ? is(value, word) : std::ranges::any_of(word, [&](const Json& t) { return is(value, t); });
    if (key == "enum") return std::ranges::count(word, value) > 0;
    if (key == "const") return value == word;
    if (key == "anyOf") return any(word) > 0;
    if (key == "oneOf") return any(word) == 1;
    if (key == "allOf") return any(word) == std::ptrdiff_t(word.size());
    if (value.is_number()) return holds_for_number(value.get<double>(), key, word);
    if (value.is_string()) return holds_for_text(value.get<std::string>(), key, word);
    if (value.is_array()) return holds_for_array(value, schema, key, word);
    if (value.is_object()) return holds_for_object(value, schema, key, word);
    return true;
  }

  static bool is(const Json& value, const std::string& type) {
    if (type == "integer") return value.is_number() && std::floor(value.get<double>()) == value.get<double>();
    return value.is_number() ? type == "number" : type == value.type_name();
  }

  static bool holds_for_number(double value, const std::string& key, const Json& word) {
    if (key == "minimum") return value >= word;
    if (key == "maximum") return value <= word;
    if (key == "exclusiveMinimum") return value > word;
    if (key == "exclusiveMaximum") return value < word;
    if (key == "multipleOf") return std::fmod(value, word.get<double>()) == 0;
    return true;
  }

  static bool matches(const std::string& text, const std::string& pattern) {
    return std::regex_search(text, std::regex(pattern));
  }

  static bool holds_for_text(const std::string& text, const std::string& key, const Json& word) {
    const auto length = std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
    if (key == "minLength") return length >= word;
    if (key == "maxLength") return length <= word;
    if (key == "pattern") return matches(text, word);
    if (key == "format" && word == "date") return matches(text, R"(^\d{4}-(0[1-9]|1[0-2])-([0-2]\d|3[01])$)");
    if (key == "format" && word == "uuid") return matches(text, "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$");
    if (key == "format" && word == "ipv4") return matches(text, R"(^\d{1,3}(\.\d{1,3}){3}$)");
    if (key == "format" && word == "email") return matches(text, "^.+@.+$");
    return true;
  }

  bool holds_for_array(const Json& value, const Json& schema, const std::string& key, const Json& word) const {
    const std::size_t given = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
    if (key == "minItems") return value.size() >= word;
    if (key == "maxItems") return value.size() <= word;
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (key == "prefixItems" && i < given && !valid(value[i], word[i])) return false;
      if (key == "items" && i >= given && !valid(value[i], word)) return false;
    }
    return true;
  }

  bool holds_for_object(const Json& value, const Json& schema, const std::string& key, const Json& word) const {
    if (key == "minProperties") return value.size() >= word;
    if (key == "maxProperties") return value.size() <= word;
    if (key == "required")
      return std::ranges::all_of(word, [&](const Json& name) { return value.contains(name.get<std::string>()); });
    for (const auto& [name, one] : value.items()) {
      const bool named = schema.contains("properties") && schema["properties"].contains(name);
      bool patterned = false;
      if (schema.contains("patternProperties"))
        for (const auto& [pattern, inner] : schema["patternProperties"].items()) patterned |= matches(name, pattern);
      if (key == "properties" && named && !valid(one, word[name])) return false;
      if (key == "propertyNames" && !valid(Json(name), word)) return false;
      if (key == "additionalProperties" && !named && !patterned && !valid(one, word)) return false;
      if (key == "patternProperties")
        for (const auto& [pattern, inner] : word.items())
          if (matches(name, pattern) && !valid(one, inner)) return false;
    }
    return true;
  }

  const Json root_;
};

}  // namespace troupe::model
