#include "actors/edge/ollama/model_name.hpp"

#include <algorithm>

namespace troupe::actors::edge::ollama {

std::string tagged(const std::string& name) {
  return name.find(':') == name.npos ? name + ":latest" : name;
}

std::string read_model_name(RequestFields& fields, std::string_view field, const ModelInfo& model,
                            const config::RequestLimits& limits) {
  const std::string name = fields.text(field, limits.name_bytes).value_or("");
  if (name.empty()) fields.missing(field);
  const auto is_it = [&](const std::string& served) { return tagged(served) == tagged(name); };
  if (std::ranges::none_of(model.names, is_it))
    fields.keep(
        {RefusalKind::not_found, "model '" + name + "' not found", fields.param(field), "model_not_found"});
  return name;
}

}  // namespace troupe::actors::edge::ollama
