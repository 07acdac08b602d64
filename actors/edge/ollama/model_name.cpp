#include "actors/edge/ollama/model_name.hpp"

#include <algorithm>

#include "actors/edge/named_model.hpp"

namespace troupe::actors::edge::ollama {

std::string read_model_name(RequestFields& fields, std::string_view field, const ModelInfo& model,
                            const config::RequestLimits& limits) {
  const std::string name = fields.text(field, limits.name_bytes).value_or("");
  if (name.empty()) fields.missing(field);
  const auto is_it = [&](const std::string& served) { return tagged(served) == tagged(name); };
  if (std::ranges::none_of(model.names, is_it))
    fields.keep({RefusalKind::not_found, "model '" + told_name(name) + "' not found", fields.param(field),
                 "model_not_found"});
  return name;
}

}  // namespace troupe::actors::edge::ollama
