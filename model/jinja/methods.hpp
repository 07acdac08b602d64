// The methods of strings and dicts that leave their object as it is. Any thread.
#pragma once

#include "model/jinja/value.hpp"

namespace troupe::model::jinja {

struct NamedFunction {
  std::string_view name;
  Function function;
};

// Null where the type has no such method.
const NamedFunction* find_method(const Value& value, std::string_view name);
// A method of Python's that the immutable sandbox keeps from templates: list.append, dict.update, ...
bool changes_its_object(const Value& value, std::string_view name);

const NamedFunction* find_string_method(std::string_view name);

}  // namespace troupe::model::jinja
