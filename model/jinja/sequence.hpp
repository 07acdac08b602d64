// Iterating, indexing and slicing, as Python does. One rendering's thread. Throws Failure for a TypeError.
#pragma once

#include <functional>
#include <optional>

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

// iter(value): strings give characters, dicts keys, undefined nothing. Throws for what cannot be iterated.
Generator::Next iterate(Render& render, const Value& value);
bool iterable(const Value& value);
Values elements(Render& render, const Value& value);  // list(value)
// len(value); nullopt where Python has none.
std::optional<std::size_t> length(const Value& value);
bool mapping(const Value& value);

// value[key], or else value.key; Undefined where there is neither, which calls the key `name`.
Value item(Render& render, const Value& value, const Value& key, std::string_view name = {});
// value.name, or else value[name]; name lives as long as the rendering.
Value attribute(Render& render, const Value& value, std::string_view name);
// value.name alone: methods and attributes of objects.
std::optional<Value> member(Render& render, const Value& value, std::string_view name);

// value[begin:end:step], absent ones as nullopt.
Value slice(Render& render, const Value& value, std::optional<Int> begin, std::optional<Int> end,
            std::optional<Int> step);

// Throws Failure that names the missing thing.
[[noreturn]] void fail_undefined(const Undefined& undefined);

}  // namespace troupe::model::jinja
