#include "model/grammar/schema_recursion.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace troupe::model {
namespace {

// Which schemas have a finite value: the least fixed point of "has one, if all schemas of one of its ways have one",
// found as in a system of Horn clauses (Dowling and Gallier 1984), with a counter for each way.
class Finiteness {
 public:
  explicit Finiteness(const Schema& root) : root_(root) { schema_at(SchemaPointer(), root); }

  std::optional<SchemaPointer> endless() {
    for (std::size_t i = 0; i < schemas_.size(); ++i) add_ways(i);  // which finds more
    while (!settled_.empty()) {
      const std::size_t finite = settled_.back();
      settled_.pop_back();
      for (const std::size_t way : schemas_[finite].needed_by) meet(way);
    }
    for (const Node& each : schemas_)
      if (!each.finite) return each.at;
    return std::nullopt;
  }

 private:
  struct Node {
    SchemaPointer at;
    const Schema* schema = nullptr;
    bool finite = false;
    std::vector<std::size_t> needed_by{};  // ways
  };
  struct Way {
    std::size_t of = 0;
    std::size_t unmet = 0;  // schemas that it needs and that are not known to be finite
  };

  std::size_t schema_at(const SchemaPointer& at, const Schema& schema) {
    const auto [known, is_new] = index_.try_emplace(at.to_string(), schemas_.size());
    if (is_new) schemas_.push_back({at, &schema});
    return known->second;
  }

  void add_way(std::size_t of, const std::vector<std::size_t>& needs) {
    ways_.push_back({of, needs.size() + 1});
    for (const std::size_t need : needs) schemas_[need].needed_by.push_back(ways_.size() - 1);
    meet(ways_.size() - 1);  // so that it counts once though it needs nothing
  }

  void meet(std::size_t way) {
    Node& node = schemas_[ways_[way].of];
    if (--ways_[way].unmet > 0 || node.finite) return;
    node.finite = true;
    settled_.push_back(ways_[way].of);
  }

  void add_ways(std::size_t i) {
    const SchemaPointer at = schemas_[i].at;
    const Schema& schema = *schemas_[i].schema;
    if (!schema.is_object()) return add_way(i, {});  // anything, or nothing, which the engine knows
    if (schema.contains("$ref")) return add_reference(i, schema["$ref"]);
    for (const char* alternatives : {"anyOf", "oneOf"})
      if (schema.contains(alternatives) && schema[alternatives].is_array())
        return add_alternatives(i, at / alternatives, schema[alternatives]);
    visit_optional(schema, at);
    if (!is_object_or_array(schema)) return add_way(i, {});
    if (has_type(schema, "object")) add_way(i, required(schema, at));
    if (has_type(schema, "array")) add_way(i, first_items(schema, at));
  }

  void add_reference(std::size_t i, const Schema& reference) {
    const std::string text = reference.is_string() ? reference.get<std::string>() : "";
    if (!text.starts_with('#')) return add_way(i, {});  // the engine names what it cannot follow
    try {
      const SchemaPointer target(text.substr(1));
      return add_way(i, {schema_at(target, root_.at(target))});
    } catch (const Schema::exception&) {
    }
    add_way(i, {});
  }

  void add_alternatives(std::size_t i, const SchemaPointer& at, const Schema& alternatives) {
    if (alternatives.empty()) add_way(i, {});  // the engine names it
    for (std::size_t each = 0; each < alternatives.size(); ++each)
      add_way(i, {schema_at(at / each, alternatives[each])});
  }

  // What an answer may get into.
  void visit_optional(const Schema& schema, const SchemaPointer& at) {
    for (const SchemaPointer& inner : subschemas(schema, SchemaPointer())) {
      const std::string place = inner.to_string();
      if (!place.starts_with("/$defs/") && !place.starts_with("/definitions/"))
        schema_at(at / inner, schema[inner]);
    }
  }

  static bool has_type(const Schema& schema, const char* type) {
    const auto types = schema.find("type");
    if (types == schema.end()) return false;
    if (!types->is_array()) return *types == type;
    for (const Schema& each : *types)
      if (each == type) return true;
    return false;
  }

  // By its type: then it may need other schemas, and else nothing.
  static bool is_object_or_array(const Schema& schema) {
    if (!schema.contains("type") || schema.contains("enum") || schema.contains("const")) return false;
    const Schema types = schema["type"].is_array() ? schema["type"] : Schema::array({schema["type"]});
    for (const Schema& each : types)
      if (each != "object" && each != "array") return false;
    return !types.empty();
  }

  std::vector<std::size_t> required(const Schema& schema, const SchemaPointer& at) {
    std::vector<std::size_t> needs;
    const auto names = schema.find("required"), properties = schema.find("properties");
    if (names == schema.end() || !names->is_array()) return needs;
    for (const Schema& name : *names) {
      if (!name.is_string() || properties == schema.end() || !properties->is_object()) continue;
      const auto property = properties->find(name.get_ref<const std::string&>());
      if (property != properties->end())
        needs.push_back(schema_at(at / "properties" / property.key(), *property));
    }
    return needs;
  }

  // Of an array that may not be empty.
  std::vector<std::size_t> first_items(const Schema& schema, const SchemaPointer& at) {
    std::vector<std::size_t> needs;
    const auto least = schema.find("minItems"), prefix = schema.find("prefixItems"),
               items = schema.find("items");
    if (least == schema.end() || !least->is_number_unsigned()) return needs;
    const auto count = least->get<std::size_t>();
    const std::size_t first = prefix != schema.end() && prefix->is_array() ? prefix->size() : 0;
    for (std::size_t i = 0; i < std::min(count, first); ++i)
      needs.push_back(schema_at(at / "prefixItems" / i, (*prefix)[i]));
    if (count > first && items != schema.end() && items->is_object())
      needs.push_back(schema_at(at / "items", *items));
    return needs;
  }

  const Schema& root_;
  std::vector<Node> schemas_;
  std::map<std::string, std::size_t> index_;  // by pointer
  std::vector<Way> ways_;
  std::vector<std::size_t> settled_;  // finite, and not told yet to those that need it
};

}  // namespace

std::optional<SchemaPointer> endless_schema(const Schema& root) {
  return Finiteness(root).endless();
}

}  // namespace troupe::model
