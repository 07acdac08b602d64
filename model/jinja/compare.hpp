// Python's truth, equality, order, membership and hashing.
// One rendering's thread. Throws Failure for a TypeError.
#pragma once

#include <string>

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

bool truth(const Value& value);
bool equal(Render& render, const Value& left, const Value& right);
bool identical(const Value& left, const Value& right);  // `is`
bool less(Render& render, const Value& left, const Value& right);
bool contains(Render& render, const Value& container, const Value& item);

// Equal for equal values, different for different ones. Throws for what Python cannot hash.
std::string hash_key(Render& render, const Value& value);
// Null if absent.
const Value* find(Render& render, const Dict& dict, const Value& key);
const Value* find(const Dict& dict, std::string_view key);

}  // namespace troupe::model::jinja
