#include "model/grammar/schema_merge.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

namespace troupe::model {
namespace {

constexpr int max_reference_chain = 16;

// What a schema says by itself: no annotation, and the schema itself in the place of a reference that stands alone.
std::optional<Schema> assertions_of(const Schema& root, Schema schema) {
  for (int i = 0; i < max_reference_chain; ++i) {
    if (schema.is_boolean()) return schema.get<bool>() ? std::optional(Schema::object()) : std::nullopt;
    if (!schema.is_object()) return std::nullopt;
    for (auto entry = schema.begin(); entry != schema.end();)
      entry = is_annotation(entry.key()) ? schema.erase(entry) : std::next(entry);
    if (!schema.contains("$ref")) return schema;
    const Schema& reference = schema["$ref"];
    if (schema.size() > 1 || !reference.is_string()) return std::nullopt;
    const std::string& text = reference.get_ref<const std::string&>();
    if (!text.starts_with("#/")) return std::nullopt;
    const SchemaPointer target(text.substr(1));
    if (!root.contains(target)) return std::nullopt;
    schema = Schema(root[target]);
  }
  return std::nullopt;
}

std::vector<std::string> type_names(const Schema& type) {
  if (type.is_string()) return {type.get<std::string>()};
  std::vector<std::string> names;
  if (type.is_array())
    for (const Schema& name : type)
      if (name.is_string()) names.push_back(name.get<std::string>());
  return names;
}

std::optional<Schema> merge_types(const Schema& a, const Schema& b) {
  const std::vector<std::string> left = type_names(a), right = type_names(b);
  const auto has = [](const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::count(names, name) > 0 ||
           (name == "integer" && std::ranges::count(names, "number") > 0);
  };
  Schema both = Schema::array();
  for (const std::string& name : left)
    if (has(right, name)) both.push_back(name);
  for (const std::string& name : right)
    if (has(left, name) && std::ranges::count(both, Schema(name)) == 0) both.push_back(name);
  if (both.empty()) return std::nullopt;
  return both.size() == 1 ? both.front() : both;
}

// One that says what other properties may be.
bool is_closed(const Schema& schema) {
  const auto says = [&](const char* key) { return schema.contains(key) && schema[key] != Schema(true); };
  return says("additionalProperties") || says("unevaluatedProperties") ||
         schema.contains("patternProperties");
}

bool same_properties(const Schema& a, const Schema& b) {
  const Schema none = Schema::object();
  const Schema& left = a.contains("properties") ? a["properties"] : none;
  const Schema& right = b.contains("properties") ? b["properties"] : none;
  return left.size() == right.size() &&
         std::ranges::all_of(left.items(), [&](const auto& entry) { return right.contains(entry.key()); });
}

// These stand alone in a schema, as far as the engine sees.
bool is_combination(const Schema& schema) {
  return std::ranges::any_of(std::array{"$ref", "const", "enum", "anyOf", "oneOf", "allOf"},
                             [&](const char* key) { return schema.contains(key); });
}

}  // namespace

bool is_annotation(const std::string& keyword) {
  constexpr std::array<std::string_view, 14> names{
      "title",     "description", "default", "examples",    "example", "deprecated", "readOnly",
      "writeOnly", "$comment",    "$schema", "definitions", "$defs",   "nullable",   "discriminator"};
  return std::ranges::count(names, keyword) > 0;
}

std::optional<Schema> SchemaMerge::merge_properties(const Schema& a, const Schema& b) {
  Schema all = a;
  for (const auto& [name, schema] : b.items()) {
    if (!all.contains(name)) {
      all[name] = schema;
      continue;
    }
    auto merged = merge(all[name], schema);
    if (!merged) return std::nullopt;
    all[name] = std::move(*merged);
  }
  return all;
}

std::optional<Schema> SchemaMerge::merge_keyword(const std::string& keyword, const Schema& a,
                                                 const Schema& b) {
  if (a == b) return a;
  if (keyword == "type") return merge_types(a, b);
  if (keyword == "required" && a.is_array() && b.is_array()) {
    Schema all = a;
    for (const Schema& name : b)
      if (std::ranges::count(all, name) == 0) all.push_back(name);
    return all;
  }
  const bool lower = keyword.starts_with("min") || keyword == "exclusiveMinimum";
  const bool upper = keyword.starts_with("max") || keyword == "exclusiveMaximum";
  if ((lower || upper) && a.is_number() && b.is_number()) return (a < b) == lower ? b : a;
  if (keyword != "properties" || !a.is_object() || !b.is_object()) return std::nullopt;
  return merge_properties(a, b);
}

std::optional<Schema> SchemaMerge::merge(const Schema& a, const Schema& b) {
  ++depth_;
  if (too_large()) return std::nullopt;
  auto merged = merge_whole(a, b);
  if (!too_large()) --depth_;
  return merged;
}

std::optional<Schema> SchemaMerge::merge_whole(const Schema& a, const Schema& b) {
  const auto left = assertions_of(root_, a), right = assertions_of(root_, b);
  if (!left || !right) return std::nullopt;
  values_ += values_in(*left) + values_in(*right);
  if (left->empty()) return right;
  if (right->empty()) return left;
  if ((is_closed(*left) || is_closed(*right)) && !same_properties(*left, *right)) return std::nullopt;
  Schema merged = *left;
  for (const auto& [keyword, value] : right->items()) {
    if (!merged.contains(keyword)) {
      merged[keyword] = value;
      continue;
    }
    auto both = merge_keyword(keyword, merged[keyword], value);
    if (!both) return std::nullopt;
    merged[keyword] = std::move(*both);
  }
  // A combination beside conditions is left to who rewrites the result, unless there are two.
  if (is_combination(*left) && is_combination(*right)) return std::nullopt;
  return merged;
}

}  // namespace troupe::model
