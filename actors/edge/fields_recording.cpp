#include "actors/edge/fields_recording.hpp"

#include <algorithm>
#include <utility>

namespace troupe::actors::edge {
namespace {

thread_local FieldsRecording* recording = nullptr;

// Of a field that must be there.
void take_null_away(Json& schema) {
  if (schema.contains("type") && schema["type"].is_array()) schema["type"] = Json(schema["type"].front());
}

// What is said of one element holds for all: "messages[3].role" is "messages[].role".
std::string of_any_element(const std::string& field) {
  std::string plain;
  bool index = false;
  for (const char each : field) {
    if (each == ']') index = false;
    if (!index) plain += each;
    if (each == '[') index = true;
  }
  return plain;
}

}  // namespace

FieldsRecording::FieldsRecording()
    : schema_{{"type", "object"}, {"properties", Json::object()}}, outer_(std::exchange(recording, this)) {}

FieldsRecording::~FieldsRecording() {
  recording = outer_;
}

FieldsRecording::Pause::Pause() : paused_(std::exchange(recording, nullptr)) {}

FieldsRecording::Pause::~Pause() {
  recording = paused_;
}

FieldsRecording* FieldsRecording::current() {
  return recording;
}

void FieldsRecording::note(const std::string& field, const Json& type) {
  Json* found = node(field);
  if (!found || any_.contains(of_any_element(field))) return;
  found->update(type);
  if (schema_.contains("required") &&
      std::ranges::find(schema_["required"], Json(field)) != schema_["required"].end())
    take_null_away(*found);
}

void FieldsRecording::note_any(const std::string& field) {
  Json* found = node(field);
  if (!found || !any_.insert(of_any_element(field)).second) return;
  for (const char* word : {"type", "minimum", "maximum", "maxLength", "maxItems"}) found->erase(word);
}

void FieldsRecording::note_need(const std::string& field) {
  if (field.find_first_of(".[") != field.npos) return;
  Json* found = node(field);
  if (!found) return;
  take_null_away(*found);
  Json& required = schema_["required"];
  if (std::ranges::find(required, Json(field)) == required.end()) required.push_back(field);
}

void FieldsRecording::leave_out(std::string name) {
  left_out_.push_back(std::move(name));
}

// Its schema. "a.b[3].c": properties of a, in it those of b, in it any element's, in it c.
Json* FieldsRecording::node(const std::string& field) {
  Json* at = &schema_;
  for (std::size_t begin = 0; begin < field.size();) {
    const std::size_t end = std::min(field.find('.', begin), field.size());
    const std::size_t bracket = std::min(field.find('[', begin), end);
    const std::string name = field.substr(begin, bracket - begin);
    if (begin == 0 && std::ranges::find(left_out_, name) != left_out_.end()) return nullptr;
    at = &(*at)["properties"][name];
    if (bracket < end) at = &(*at)["items"];
    if (at->is_null()) *at = Json::object();
    begin = end + 1;
  }
  return at;
}

}  // namespace troupe::actors::edge
