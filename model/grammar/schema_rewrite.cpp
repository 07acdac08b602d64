#include "model/grammar/schema_rewrite.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "model/grammar/bounded_strings.hpp"
#include "model/grammar/grammar_limits.hpp"
#include "model/grammar/schema_budget.hpp"
#include "model/grammar/schema_merge.hpp"
#include "model/grammar/schema_pattern.hpp"
#include "model/grammar/schema_recursion.hpp"

namespace troupe::model {
namespace {

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
                                 "dependencies", "contains", "uniqueItems",       "$dynamicRef",
                                 "$recursiveRef"};

constexpr std::string_view letters_of_names =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

// What all names begin with that a pattern matches, as far as that is plain.
std::string_view prefix_of(std::string_view pattern) {
  if (!pattern.starts_with('^') || pattern.find('|') != pattern.npos) return "";
  pattern.remove_prefix(1);
  const auto end = std::min(pattern.find_first_not_of(letters_of_names), pattern.size());
  const bool repeated =
      end < pattern.size() && std::string_view("*?{").find(pattern[end]) != std::string_view::npos;
  return pattern.substr(0, repeated && end > 0 ? end - 1 : end);
}

// What speaks against patternProperties, of which the engine asks one of a property, or none where it has a name.
std::string fault_of_patterns(const Schema& patterns, const Schema& properties) {
  std::vector<std::string_view> prefixes;
  for (const auto& [pattern, schema] : patterns.items()) prefixes.push_back(prefix_of(pattern));
  std::ranges::sort(prefixes);
  const auto begins = [](std::string_view a, std::string_view b) { return b.starts_with(a); };
  if (std::ranges::adjacent_find(prefixes, begins) != prefixes.end())
    return "has patternProperties of which two may name one property, which is not supported";
  for (const auto& [name, schema] : properties.items()) {
    const auto behind = std::ranges::upper_bound(prefixes, std::string_view(name));
    if (behind != prefixes.begin() && name.starts_with(*std::prev(behind)))
      return "has " + Schema(name).dump() +
             " among its properties or required, which patternProperties may name, too; that is not supported";
  }
  return "";
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

// By its value, however it is written.
bool is_integer(const Schema& value) {
  if (!value.is_number_float()) return value.is_number();
  const auto number = value.get<double>();
  return number == std::trunc(number);
}

bool has_type(const Schema& value, const Schema& type) {
  if (type.is_array())
    return std::ranges::any_of(type, [&](const Schema& one) { return has_type(value, one); });
  if (type == "integer") return is_integer(value);
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
  explicit Rewrite(const Schema& root) : merge_(root, budget_) {}

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
    combine(schema);
    check_keywords(schema);
    fill_in_type(schema);
    name_required(schema);
    hold_names(schema);
    take_pattern(schema);
    bound_strings(schema);
  }

  // Also those that allOf has brought.
  void check_keywords(const Schema& schema) {
    for (const char* keyword : unsupported)
      if (schema.contains(keyword)) fault_ = std::string("has ") + keyword + ", which is not supported";
    for (const char* keyword : {"anyOf", "oneOf", "enum", "type"})
      if (schema.contains(keyword) && schema[keyword] == Schema::array())
        fault_ = std::string("has an empty ") + keyword + ", which no value fits";
  }

  // Nothing that the engine would forget stands beside a combination any more. What describes the schema, its definitions
  // too, is put aside meanwhile.
  void combine(Schema& schema) {
    if (!combination_of(schema)) return;
    Schema described = Schema::object();
    for (auto& [keyword, value] : schema.items())
      if (is_annotation(keyword)) described[keyword] = std::move(value);
    for (const auto& [keyword, value] : described.items()) schema.erase(keyword);
    for (int turns = 0; fault_.empty() && combine_once(schema);)
      if (++turns > max_schema_depth) fault_ = "is too large, with what it refers to in its place";
    for (auto& [keyword, value] : described.items()) schema[keyword] = std::move(value);
  }

  // Whether there may be more to combine.
  bool combine_once(Schema& schema) {
    const char* const key = combination_of(schema);
    if (!key) return false;
    const std::string_view name = key;
    if (name == "$ref" && schema.size() == 1) return false;
    if (name == "allOf" && !schema[key].is_array()) return false;  // the engine names it
    Schema beside = schema;
    beside.erase(key);
    if (name == "enum" || name == "const")
      choose(schema, name == "enum", std::move(beside));
    else if (name == "allOf")
      merge_all(schema, std::move(beside));
    else if (name == "$ref")
      refer(schema, beside);
    else
      distribute(schema, key, beside);
    return name == "allOf" || name == "$ref";
  }

  // The values that have the type.
  void choose(Schema& schema, bool several, Schema beside) {
    Schema values = several ? schema["enum"] : Schema::array({schema["const"]});
    if (!values.is_array()) return;  // the engine names it
    if (beside.contains("type")) {
      Schema fitting = Schema::array();
      budget_.compare(values.size() * beside["type"].size());
      for (const Schema& value : values)
        if (!budget_.spent() && has_type(value, beside["type"])) fitting.push_back(value);
      if (fitting.empty())
        fault_ = budget_.spent() ? "is too large, with its values held against its types"
                                 : "has no value of its type";
      values = std::move(fitting);
      beside.erase("type");
    }
    if (!beside.empty())
      fault_ = "has " + beside.begin().key() + " beside its values, which is not supported";
    if (fault_.empty()) schema = Schema{{"enum", std::move(values)}};
  }

  void merge_all(Schema& schema, Schema merged) {
    for (const Schema& part : schema["allOf"]) {
      auto both = merge_.merge(merged, part);
      if (!can_be(both)) return;
      merged = std::move(*both);
    }
    schema = std::move(merged);
  }

  void distribute(Schema& schema, const char* key, const Schema& beside) {
    Schema options = std::move(schema[key]);
    if (!beside.empty() && options.is_array())  // else the engine names it
      for (Schema& option : options) {
        auto both = merge_.merge(option, beside);
        if (!can_be(both)) return;
        option = std::move(*both);
      }
    const char* const usable = !options.empty() && have_distinct_types(options) ? "anyOf" : key;
    schema = Schema{{usable, std::move(options)}};
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
    if (required == schema.end() || !required->is_array()) return;
    Schema properties = schema.value("properties", Schema::object());
    if (!properties.is_object()) return;  // the engine names it
    const Schema others = schema.value("additionalProperties", Schema(true));
    const Schema other = others.is_object() ? others : Schema::object();
    for (const Schema& name : *required) {
      budget_.compare(properties.size());
      if (name.is_string() && !properties.contains(name.get_ref<const std::string&>())) {
        if (others == Schema(false))
          fault_ = "requires " + name.dump() + ", which is not among its properties";
        budget_.copy(values_in(other));
        if (!budget_.spent()) properties[name.get_ref<const std::string&>()] = other;
      }
      if (budget_.spent()) return void(fault_ = "is too large, with what it requires written out");
    }
    if (!properties.empty()) schema["properties"] = std::move(properties);
  }

  void hold_names(Schema& schema) {
    const Schema properties = schema.value("properties", Schema::object());
    if (schema.contains("propertyNames") && (!properties.empty() || schema.contains("patternProperties")))
      fault_ = "has propertyNames beside properties, required or patternProperties, which is not supported";
    const auto patterns = schema.find("patternProperties");
    if (patterns == schema.end() || !patterns->is_object()) return;  // the engine names it
    if (patterns->empty()) return void(schema.erase("patternProperties"));
    if (auto fault = fault_of_patterns(*patterns, properties); !fault.empty()) fault_ = std::move(fault);
    Schema usable = Schema::object();
    for (const auto& [pattern, property] : patterns->items()) usable[pattern_of(pattern)] = property;
    schema["patternProperties"] = std::move(usable);
    // Others, which patterns may name, too, it would not hold to them.
    schema.erase("unevaluatedProperties");
    schema["additionalProperties"] = false;
  }

  std::string pattern_of(const std::string& written) {
    auto usable = usable_pattern(written);
    if (usable) return std::move(*usable);
    fault_ = "has a pattern that cannot be used: " + usable.error().message;
    return {};
  }

  // That of its strings, or the one that stands for their format.
  void take_pattern(Schema& schema) {
    const bool patterned = schema.contains("pattern") && schema["pattern"].is_string();
    const bool formatted = schema.contains("format") && schema["format"].is_string();
    const std::string format = formatted ? schema["format"].get<std::string>() : "";
    if (patterned && is_held_format(format)) fault_ = "has a pattern beside a format, which is not supported";
    if (patterned) schema["pattern"] = pattern_of(schema["pattern"].get<std::string>());
    const std::string_view stands_for = pattern_of_format(format);
    if (stands_for.empty() || !fault_.empty()) return;
    schema.erase("format");
    schema["pattern"] = stands_for;
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
      if (is_integer(value) && value >= 0 && value <= most) return value.get<std::int64_t>();
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

  SchemaBudget budget_;
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
