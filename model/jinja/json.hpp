// Values from JSON, and to JSON as Python's json.dumps writes it. One rendering's thread.
#pragma once

#include <nlohmann/json.hpp>

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

// plain: the value came from the caller. Throws Failure where it is too deep or holds invalid UTF-8.
Value from_json(Render& render, const nlohmann::ordered_json& json, bool plain);

// json.dumps(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False): the filter `tojson`.
Value to_json(Render& render, const Value& value, const Arguments& arguments);

}  // namespace troupe::model::jinja
