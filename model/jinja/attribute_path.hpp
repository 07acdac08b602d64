// What `attribute=` of a filter names: "a.b.0", an index, or nothing. One rendering's thread.
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

class AttributePath {
 public:
  // path: null or none for the value itself. otherwise: what
  // stands in for an undefined part; null: nothing does.
  AttributePath(Render& render, const Value* path, const Value* otherwise = nullptr);
  Value of(Render& render, Value value) const;

 private:
  Values parts_;
  std::optional<Value> otherwise_;
};

// Lower case where the value is a string and case does not matter.
Value ignoring_case(Render& render, Value value, bool case_sensitive);

}  // namespace troupe::model::jinja
