// The methods of strings that take them apart. One rendering's thread.
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

Value split(Render& render, const Value& self, const Arguments& arguments);   // (sep=None, maxsplit=-1)
Value rsplit(Render& render, const Value& self, const Arguments& arguments);  // (sep=None, maxsplit=-1)
Value splitlines(Render& render, const Value& self, const Arguments& arguments);
Value partition(Render& render, const Value& self, const Arguments& arguments);
Value rpartition(Render& render, const Value& self, const Arguments& arguments);

}  // namespace troupe::model::jinja
