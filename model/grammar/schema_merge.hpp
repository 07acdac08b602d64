// Two JSON schemas as one. Any thread.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "model/grammar/schema_budget.hpp"
#include "model/grammar/schema_walk.hpp"

namespace troupe::model {

// Whether the keyword only describes: title, default, ...
bool is_annotation(const std::string& keyword);

// The keyword that the engine obeys of those that stand alone, as far as it sees: $ref, const, enum, anyOf, oneOf, allOf, the
// first in this order that the schema has. Null: it has none.
const char* combination_of(const Schema& schema);

// Of the schemas of one root. Not thread-safe.
class SchemaMerge {
 public:
  // Both outlive it. What it copies and compares it takes from the budget.
  SchemaMerge(const Schema& root, SchemaBudget& budget) : root_(root), budget_(budget) {}

  // A schema of the values that both allow. References are looked up in the root. Nothing: it cannot be said as one
  // schema, or only with more than this knows, or it is too large.
  std::optional<Schema> merge(const Schema& a, const Schema& b);
  bool too_large() const { return budget_.spent() || depth_ > max_schema_depth; }

 private:
  const Schema* target_of(const Schema& reference);
  std::optional<Schema> assertions_of(const Schema& schema);
  std::optional<Schema> merge_keyword(const std::string& keyword, const Schema& a, const Schema& b);
  std::optional<Schema> merge_properties(const Schema& a, const Schema& b);
  std::optional<Schema> merge_whole(const Schema& a, const Schema& b);

  const Schema& root_;
  SchemaBudget& budget_;
  std::map<std::string, const Schema*> targets_;  // of references; null: there is none
  int depth_ = 0;                                 // of merges within merges; stays where it was too deep
};

}  // namespace troupe::model
