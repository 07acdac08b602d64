// Two JSON schemas as one. Any thread.
#pragma once

#include <optional>

#include "model/grammar/schema_walk.hpp"

namespace troupe::model {

// Whether the keyword only describes: title, default, ...
bool is_annotation(const std::string& keyword);

// Of the schemas of one root. Not thread-safe.
class SchemaMerge {
 public:
  // root outlives it. most_values: copied or looked at in all, for a small schema can ask for many.
  SchemaMerge(const Schema& root, std::size_t most_values) : root_(root), most_values_(most_values) {}

  // A schema of the values that both allow. References are looked up in the root. Nothing: it cannot be said as one
  // schema, or only with more than this knows, or it is too large.
  std::optional<Schema> merge(const Schema& a, const Schema& b);
  bool too_large() const { return values_ > most_values_ || depth_ > max_depth; }

 private:
  static constexpr int max_depth = 64;

  std::optional<Schema> merge_keyword(const std::string& keyword, const Schema& a, const Schema& b);
  std::optional<Schema> merge_properties(const Schema& a, const Schema& b);
  std::optional<Schema> merge_whole(const Schema& a, const Schema& b);

  const Schema& root_;
  const std::size_t most_values_;
  std::size_t values_ = 0;
  int depth_ = 0;  // of merges within merges; stays where it was too deep
};

}  // namespace troupe::model
