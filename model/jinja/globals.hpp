// The functions that every template may call. One rendering's thread.
#pragma once

#include <string>
#include <unordered_map>

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

// range, dict, namespace, cycler, joiner, raise_exception, strftime_now. The objects belong to render.
void add_globals(Render& render, std::unordered_map<std::string, Value>& context);

}  // namespace troupe::model::jinja
