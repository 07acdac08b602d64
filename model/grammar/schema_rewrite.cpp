#include "model/grammar/schema_rewrite.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/bounded_strings.hpp"
#include "model/grammar/grammar_limits.hpp"
#include "model/grammar/regex_check.hpp"
#include "model/grammar/schema_merge.hpp"
#include "model/grammar/schema_recursion.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t max_merged_values = 20 * max_grammar_nodes;  // looked at while schemas are combined

// What a schema that leaves out its type must mean to say something by these.
struct TypeWords {
  const char* type;
  std::vector<const char*> keywords;
};
const std::array<TypeWords, 4> words_of_types{{
    {"object",
     {"properties", "required", "additionalProperties", "unevaluatedProperties", "patternProperties",
      "propertyNames", "minProperties", "maxProperties"}},
    {"array",
     {"items", "prefixItems", "unevaluatedItems", "minItems", "maxItems", "uniqueItems", "contains"}},
    {"string", {"minLength", "maxLength", "pattern", "format"}},
    {"number", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}},
}};

// The engine passes over these without a word.
constexpr std::array unsupported{"not",          "if",       "dependentRequired", "dependentSchemas",
                                 "dependencies", "contains", "uniqueItems"};

// The engine obeys the first of these that a schema has.
constexpr std::array combinations{"$ref", "const", "enum", "anyOf", "oneOf", "allOf"};

const char* combination_of(const Schema& schema) {
  const auto* const found =
      std::ranges::find_if(combinations, [&](const char* key) { return schema.contains(key); });
  return found == combinations.end() ? nullptr : *found;
}

// No value is of two of them, so that oneOf says what anyOf does.
bool have_distinct_types(const Schema& options) {
  std::set<std::string> types;
  for (const Schema& option : options) {
    if (!option.is_object() || !option.contains("type") || !option["type"].is_string()) return false;
    const std::string type = option["type"] == "integer" ? "number" : option["type"].get<std::string>();
    if (!types.insert(type).second) return false;
  }
  return true;
}

bool has_type(const Schema& value, const Schema& type) {
  if (type.is_array())
    return std::ranges::any_of(type, [&](const Schema& one) { return has_type(value, one); });
  if (type == "integer") return value.is_number_integer();
  return (type == "number" && value.is_number()) || (type == value.type_name());
}

void fill_in_type(Schema& schema) {
  if (schema.contains("type") || combination_of(schema)) return;
  Schema types = Schema::array();
  for (const TypeWords& words : words_of_types)
    if (std::ranges::any_of(words.keywords, [&](const char* keyword) { return schema.contains(keyword); }))
      types.push_back(words.type);
  if (!types.empty()) schema["type"] = types.size() == 1 ? types.front() : types;
}

class Rewrite {
 public:
  explicit Rewrite(const Schema& root) : merge_(root, max_merged_values) {}

  Expected<void> run(Schema& schema, const SchemaPointer& at, int depth) {
    if (!schema.is_object()) return {};
    fault_.clear();
    if (depth > max_schema_depth || ++nodes_ > max_grammar_nodes)
      fault_ = "is too large, with what it refers to in its place";
    else
      rewrite(schema);
    if (!fault_.empty()) return refuse(place_of(at) + " " + fault_);
    for (const SchemaPointer& inner : subschemas(schema, SchemaPointer()))
      if (const auto done = run(schema[inner], at / inner, depth + 1); !done) return done;
    return {};
  }

 private:
  void rewrite(Schema& schema) {
    if (schema.contains("uniqueItems") && schema["uniqueItems"] == Schema(false)) schema.erase("uniqueItems");
    for (const char* keyword : unsupported)
      if (schema.contains(keyword)) fault_ = std::string("has ") + keyword + ", which is not supported";
    for (const char* keyword : {"anyOf", "oneOf", "enum", "type"})
      if (schema.contains(keyword) && schema[keyword] == Schema::array())
        fault_ = std::string("has an empty ") + keyword + ", which no value fits";
    combine(schema);
    fill_in_type(schema);
    name_required(schema);
    if (schema.contains("pattern") && schema["pattern"].is_string())
      if (const auto regex = check_regex(schema["pattern"].get<std::string>()); !regex)
        fault_ = "has a pattern that cannot be used: " + regex.error().message;
    bound_strings(schema);
  }

  // Nothing that the engine would forget stands beside a combination any more.
  void combine(Schema& schema) {
    const char* const key = combination_of(schema);
    if (!key) return;
    Schema beside = Schema::object(), described = Schema::object();
    for (const auto& [keyword, value] : schema.items())
      if (keyword != key) (is_annotation(keyword) ? described : beside)[keyword] = value;
    const std::string_view name = key;
    if (name == "enum" || name == "const")
      choose(schema, name == "enum", beside);
    else if (name == "allOf")
      merge_all(schema, std::move(beside));
    else if (name == "$ref" && beside.empty())
      return;
    else if (name == "$ref")
      refer(schema, beside);
    else if (!beside.empty())
      distribute(schema[key], beside);
    if (!fault_.empty()) return;
    if (name == "anyOf" || name == "oneOf")
      schema = Schema{{have_distinct_types(schema[key]) ? "anyOf" : key, schema[key]}};
    schema.update(described);
    if (name == "allOf" || name == "$ref") combine(schema);
  }

  // The values that have the type.
  void choose(Schema& schema, bool several, Schema beside) {
    Schema values = several ? schema["enum"] : Schema::array({schema["const"]});
    if (!values.is_array()) return;  // the engine names it
    if (beside.contains("type")) {
      Schema fitting = Schema::array();
      for (const Schema& value : values)
        if (has_type(value, beside["type"])) fitting.push_back(value);
      if (fitting.empty()) fault_ = "has no value of its type";
      values = std::move(fitting);
      beside.erase("type");
    }
    if (!beside.empty())
      fault_ = "has " + beside.begin().key() + " beside its values, which is not supported";
    if (fault_.empty()) schema = Schema{{"enum", std::move(values)}};
  }

  void merge_all(Schema& schema, Schema merged) {
    if (!schema["allOf"].is_array()) return;  // the engine names it
    for (const Schema& part : schema["allOf"]) {
      auto both = merge_.merge(merged, part);
      if (!can_be(both)) return;
      merged = std::move(*both);
    }
    schema = std::move(merged);
  }

  void distribute(Schema& options, const Schema& beside) {
    if (!options.is_array()) return;  // the engine names it
    for (Schema& option : options) {
      auto both = merge_.merge(option, beside);
      if (!can_be(both)) return;
      option = std::move(*both);
    }
  }

  void refer(Schema& schema, const Schema& beside) {
    auto both = merge_.merge(Schema{{"$ref", schema["$ref"]}}, beside);
    if (can_be(both)) schema = std::move(*both);
  }

  bool can_be(const std::optional<Schema>& merged) {
    if (merge_.too_large())
      fault_ = "is too large, with what it combines written out";
    else if (!merged)
      fault_ = "combines schemas in a way that is not supported; write them as one";
    return fault_.empty();
  }

  // The engine asks for a required property only if it is among the properties that have names.
  void name_required(Schema& schema) {
    const auto required = schema.find("required");
    if (required == schema.end() || !required->is_array() || schema.contains("patternProperties")) return;
    Schema properties = schema.value("properties", Schema::object());
    if (!properties.is_object()) return;  // the engine names it
    const Schema others = schema.value("additionalProperties", Schema(true));
    for (const Schema& name : *required) {
      if (!name.is_string() || properties.contains(name.get<std::string>())) continue;
      if (others == Schema(false)) fault_ = "requires " + name.dump() + ", which is not among its properties";
      properties[name.get<std::string>()] = others.is_object() ? others : Schema::object();
    }
    if (!properties.empty()) schema["properties"] = std::move(properties);
  }

  void bound_strings(Schema& schema) {
    if (!schema.contains("minLength") && !schema.contains("maxLength")) return;
    if (schema.contains("pattern") || schema.contains("format")) {
      fault_ = "has a length beside pattern or format, which is not supported";
      return;
    }
    const auto bound = [&](const char* key, std::int64_t most) -> std::int64_t {
      if (!schema.contains(key)) return 0;
      const Schema& value = schema[key];
      if (value.is_number_unsigned() && value <= most) return value.get<std::int64_t>();
      fault_ = std::string(key) + " must be a whole number from 0 to " + std::to_string(most);
      return 0;
    };
    const std::int64_t low = bound("minLength", max_min_length), high = bound("maxLength", max_max_length);
    const bool open = !schema.contains("maxLength");
    if (!open && low > high) fault_ = "has a minLength above its maxLength";
    schema.erase("minLength");
    schema.erase("maxLength");
    if (!open || low > 0) schema["pattern"] = length_pattern(low, open ? std::nullopt : std::optional(high));
  }

  SchemaMerge merge_;
  std::size_t nodes_ = 0;
  std::string fault_;  // of the schema at hand; empty: none
};

}  // namespace

Expected<Schema> rewrite_schema(const Schema& schema) {
  Schema rewritten = schema;
  if (const auto done = Rewrite(schema).run(rewritten, SchemaPointer(), 0); !done)
    return tl::unexpected(done.error());
  if (const auto endless = endless_schema(rewritten))
    return refuse(place_of(*endless) + " requires itself without end, so that no answer could be whole");
  return rewritten;
}

}  // namespace troupe::model
