#include "model/grammar/schema_merge.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace troupe::model {
namespace {

// What a schema says by itself, without what only describes it and what says nothing.
Schema undescribed(const Schema& schema) {
  Schema assertions = Schema::object();
  for (const auto& [keyword, value] : schema.items())
    if (!is_annotation(keyword) && (keyword != "uniqueItems" || value != Schema(false)))
      assertions[keyword] = value;
  return assertions;
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

bool same_properties(const Schema& a, const Schema& b, SchemaBudget& budget) {
  const Schema none = Schema::object();
  const Schema& left = a.contains("properties") ? a["properties"] : none;
  const Schema& right = b.contains("properties") ? b["properties"] : none;
  if (left.size() != right.size()) return false;
  budget.compare(left.size() * right.size());
  if (budget.spent()) return false;
  return std::ranges::all_of(left.items(), [&](const auto& entry) { return right.contains(entry.key()); });
}

}  // namespace

bool is_annotation(const std::string& keyword) {
  constexpr std::array<std::string_view, 14> names{
      "title",     "description", "default", "examples",    "example", "deprecated", "readOnly",
      "writeOnly", "$comment",    "$schema", "definitions", "$defs",   "nullable",   "discriminator"};
  return std::ranges::count(names, keyword) > 0;
}

const char* combination_of(const Schema& schema) {
  static constexpr std::array combinations{"$ref", "const", "enum", "anyOf", "oneOf", "allOf"};
  const auto* const found =
      std::ranges::find_if(combinations, [&](const char* key) { return schema.contains(key); });
  return found == combinations.end() ? nullptr : *found;
}

const Schema* SchemaMerge::target_of(const Schema& reference) {
  if (!reference.is_string()) return nullptr;
  const auto& text = reference.get_ref<const std::string&>();
  const auto [known, is_new] = targets_.try_emplace(text, nullptr);
  if (!is_new || !text.starts_with("#/")) return known->second;
  const SchemaPointer target(text.substr(1));
  if (root_.contains(target)) known->second = &root_[target];
  return known->second;
}

// The schema itself in the place of a reference that stands alone. Nothing: no value fits, or it cannot be looked up.
std::optional<Schema> SchemaMerge::assertions_of(const Schema& schema) {
  const Schema* at = &schema;
  for (int references = 0; at && !budget_.spent(); budget_.chain(++references)) {
    if (at->is_boolean()) return at->get<bool>() ? std::optional(Schema::object()) : std::nullopt;
    if (!at->is_object()) return std::nullopt;
    const auto reference = at->find("$ref");
    if (reference == at->end()) return undescribed(*at);
    const auto is_beside = [](const auto& entry) {
      return entry.key() != "$ref" && !is_annotation(entry.key());
    };
    if (std::ranges::any_of(at->items(), is_beside)) return std::nullopt;
    at = target_of(*reference);
  }
  return std::nullopt;
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
  budget_.compare(a.size() * b.size());
  if (budget_.spent()) return std::nullopt;
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
  const auto left = assertions_of(a), right = assertions_of(b);
  if (!left || !right) return std::nullopt;
  budget_.copy(values_in(*left) + values_in(*right));
  budget_.compare(left->size() * right->size());
  if (budget_.spent()) return std::nullopt;
  if (left->empty()) return right;
  if (right->empty()) return left;
  if ((is_closed(*left) || is_closed(*right)) && !same_properties(*left, *right, budget_))
    return std::nullopt;
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
  if (combination_of(*left) && combination_of(*right)) return std::nullopt;
  return merged;
}

}  // namespace troupe::model
