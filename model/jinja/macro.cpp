#include "model/jinja/macro.hpp"

namespace troupe::model::jinja {

std::optional<Value> MacroObject::attribute(Render& render, std::string_view name) {
  if (name == "name") return render.text(definition_->name);
  if (name == "caller") return Value(definition_->uses_caller);
  if (name == "catch_kwargs") return Value(definition_->uses_kwargs);
  if (name == "catch_varargs") return Value(definition_->uses_varargs);
  if (name != "arguments") return std::nullopt;
  Values names;
  for (const Parameter& parameter : definition_->parameters) names.push_back(render.text(parameter.name));
  return render.tuple(std::move(names));
}

}  // namespace troupe::model::jinja
