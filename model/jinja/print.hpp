// str() and repr(). One rendering's thread.
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

void print(TextWriter& out, const Value& value);       // str(value)
void print_repr(TextWriter& out, const Value& value);  // repr(value)

// str(value); a string itself, markup kept.
std::shared_ptr<const Text> to_text(Render& render, const Value& value);
// & < > " ' as HTML entities; markup comes back as it is.
std::shared_ptr<const Text> escaped(Render& render, const Value& value);

}  // namespace troupe::model::jinja
