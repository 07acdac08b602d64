#include "actors/edge/named_model.hpp"

#include <algorithm>

#include "actors/edge/fields_recording.hpp"

namespace troupe::actors::edge {

void check_named_model(RequestFields& fields, const ModelInfo& model, const config::RequestLimits& limits) {
  const auto name = fields.text("model", limits.name_bytes);
  if (auto* recording = FieldsRecording::current())
    recording->note(fields.param("model"), {{"enum", model.names}});
  if (name && std::ranges::find(model.names, *name) == model.names.end())
    fields.keep({RefusalKind::not_found, "The model '" + *name + "' does not exist; see /v1/models.", "model",
                 "model_not_found"});
}

}  // namespace troupe::actors::edge
