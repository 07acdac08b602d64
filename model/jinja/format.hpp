// text.format(values), as far as chat templates go: {}, {2}, {name}, and {{ and }} for braces themselves.
// One rendering's thread. Throws Failure for conversions (!r), formats (:>4) and parts of values ({0.name}).
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

Value format(Render& render, const Text& text, const Arguments& arguments);

}  // namespace troupe::model::jinja
