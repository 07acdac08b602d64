#include "actors/edge/named_model.hpp"

#include <algorithm>

#include "actors/edge/fields_recording.hpp"
#include "runtime/base/shortened.hpp"

namespace troupe::actors::edge {

std::string told_name(std::string_view name) {
  return shortened(name, max_told_name_bytes);
}

std::string tagged(std::string_view name) {
  return std::string(name) + (name.find(':') == name.npos ? ":latest" : "");
}

void check_named_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits) {
  const auto name = fields.text("model", limits.name_bytes);
  if (auto* recording = FieldsRecording::current(); recording && !model.names.empty())
    recording->note(fields.param("model"), {{"enum", model.names}});
  if (name && std::ranges::find(model.names, *name) == model.names.end())
    fields.keep({RefusalKind::not_found,
                 "The model '" + told_name(*name) + "' does not exist; see /v1/models.", "model",
                 "model_not_found"});
}

}  // namespace troupe::actors::edge
