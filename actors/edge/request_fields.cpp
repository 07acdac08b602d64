#include "actors/edge/request_fields.hpp"

#include <cmath>
#include <limits>

#include "actors/edge/fields_recording.hpp"

namespace troupe::actors::edge {
namespace {

// Without the zeros that std::to_string adds.
std::string plain(double number) {
  return Json(number).dump();
}

}  // namespace

std::string type_in_words(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "an integer";
    case Json::value_t::number_float:
      return "a decimal";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::array:
      return "an array";
    default:
      return "an object";
  }
}

Json integer_of(const Json& value) {
  if (value.is_number_integer()) return value;
  const double number = value.is_number_float() ? value.get<double>() : std::nan("");
  if (std::trunc(number) != number || number < -0x1p63 || number >= 0x1p64) return nullptr;
  if (number >= 0) return std::uint64_t(number);
  return std::int64_t(number);
}

RequestFields::RequestFields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  CHECK(object.is_object());
}

const Json* RequestFields::find(std::string_view name) const {
  if (auto* recording = FieldsRecording::current()) recording->note_any(param(name));
  return value_of(name);
}

const Json* RequestFields::value_of(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

template <class MakeSchema>
void RequestFields::describe(std::string_view name, MakeSchema make_schema) const {
  auto* recording = FieldsRecording::current();
  if (!recording) return;
  Json schema = make_schema();
  schema["type"] = Json::array({schema["type"], "null"});
  recording->note(param(name), schema);
}

bool RequestFields::boolean(std::string_view name, bool otherwise) {
  describe(name, [&] { return Json{{"type", "boolean"}}; });
  const Json* value = typed(name, &Json::is_boolean, "a boolean");
  return value ? value->get<bool>() : otherwise;
}

std::optional<std::int64_t> RequestFields::integer(std::string_view name, std::int64_t low,
                                                   std::int64_t high) {
  describe(name, [&] { return Json{{"type", "integer"}, {"minimum", low}, {"maximum", high}}; });
  const Json* given = value_of(name);
  if (!given) return std::nullopt;
  const Json value = integer_of(*given);
  if (value.is_null()) {
    wrong_type(name, "an integer");
    return std::nullopt;
  }
  const bool huge = value.is_number_unsigned() &&
                    value.get<std::uint64_t>() > std::uint64_t(std::numeric_limits<std::int64_t>::max());
  const std::int64_t number = huge ? std::numeric_limits<std::int64_t>::max() : value.get<std::int64_t>();
  if (huge || number > high) {
    invalid(name, "Expected a value <= " + std::to_string(high) + ".", "integer_above_max_value");
    return std::nullopt;
  }
  if (number < low) {
    invalid(name, "Expected a value >= " + std::to_string(low) + ".", "integer_below_min_value");
    return std::nullopt;
  }
  return number;
}

std::optional<float> RequestFields::number(std::string_view name, double low, double high) {
  describe(name, [&] { return Json{{"type", "number"}, {"minimum", low}, {"maximum", high}}; });
  const Json* value = typed(name, &Json::is_number, "a number");
  if (!value) return std::nullopt;
  const double number = value->get<double>();
  if (number > high) {
    invalid(name, "Expected a value <= " + plain(high) + ".", "decimal_above_max_value");
    return std::nullopt;
  }
  if (!(number >= low)) {
    invalid(name, "Expected a value >= " + plain(low) + ".", "decimal_below_min_value");
    return std::nullopt;
  }
  return float(number);
}

std::optional<float> RequestFields::positive(std::string_view name, double high) {
  const auto found = number(name, 0, high);
  if (found && *found <= 0) invalid(name, "Expected a value > 0.", "decimal_below_min_value");
  return found;
}

std::optional<std::string> RequestFields::text(std::string_view name) {
  return text(name, std::numeric_limits<std::size_t>::max());
}

std::optional<std::string> RequestFields::text(std::string_view name, std::size_t max_bytes) {
  describe(name, [&] {
    const bool bounded = max_bytes != std::numeric_limits<std::size_t>::max();
    return bounded ? Json{{"type", "string"}, {"maxLength", max_bytes}} : Json{{"type", "string"}};
  });
  const Json* value = typed(name, &Json::is_string, "a string");
  if (!value) return std::nullopt;
  const auto& found = value->get_ref<const std::string&>();
  if (found.size() > max_bytes) {
    invalid(name, "Expected at most " + std::to_string(max_bytes) + " bytes.", "string_above_max_length");
    return std::nullopt;
  }
  return found;
}

std::string RequestFields::needed_text(std::string_view name) {
  const auto found = text(name);
  if (!found) missing(name);
  return found.value_or("");
}

const Json* RequestFields::object(std::string_view name) {
  describe(name, [&] { return Json{{"type", "object"}}; });
  return typed(name, &Json::is_object, "an object");
}

const Json* RequestFields::array(std::string_view name, std::size_t max_elements) {
  describe(name, [&] { return Json{{"type", "array"}, {"maxItems", max_elements}}; });
  const Json* value = typed(name, &Json::is_array, "an array");
  if (!value || value->size() <= max_elements) return value;
  invalid(name, "Expected an array of at most " + std::to_string(max_elements) + " elements.",
          "array_above_max_length");
  return nullptr;
}

const Json* RequestFields::typed(std::string_view name, bool (Json::*is_type)() const,
                                 std::string_view expected) {
  const Json* value = value_of(name);
  if (!value || (value->*is_type)()) return value;
  wrong_type(name, expected);
  return nullptr;
}

void RequestFields::missing(std::string_view name) {
  if (auto* recording = FieldsRecording::current()) recording->note_need(param(name));
  keep({RefusalKind::invalid, "Missing required parameter: '" + param(name) + "'.", param(name),
        "missing_required_parameter"});
}

void RequestFields::wrong_type(std::string_view name, std::string_view expected) {
  const auto found = object_.find(name);
  wrong_type(name, expected, found == object_.end() ? "nothing" : type_in_words(*found));
}

void RequestFields::wrong_type(std::string_view name, std::string_view expected, const std::string& got) {
  keep({RefusalKind::invalid,
        "Invalid type for '" + param(name) + "': expected " + std::string(expected) + ", but got " + got +
            " instead.",
        param(name), "invalid_type"});
}

void RequestFields::unsupported(std::string_view name, std::string_view remedy) {
  keep({RefusalKind::invalid, "'" + param(name) + "' is not supported yet: " + std::string(remedy),
        param(name), "unsupported_parameter"});
}

void RequestFields::unsupported_unless(std::string_view name, const Json& neutral, std::string_view remedy) {
  const Json* value = find(name);
  if (!value || *value == neutral) return;
  const bool same_type =
      neutral.is_null() || value->type() == neutral.type() || (value->is_number() && neutral.is_number());
  if (!same_type) return wrong_type(name, neutral.is_number() ? "a number" : type_in_words(neutral));
  const std::string otherwise =
      neutral.is_null() ? "leave it out." : "leave it out or send " + neutral.dump() + ".";
  unsupported(name, remedy.empty() ? otherwise : remedy);
}

void RequestFields::invalid(std::string_view name, std::string_view sentence, std::string_view code) {
  keep({RefusalKind::invalid, "Invalid '" + param(name) + "'. " + std::string(sentence), param(name),
        std::string(code)});
}

void RequestFields::keep(const Refusal& refusal) {
  if (!refusal_) refusal_ = refusal;
}

}  // namespace troupe::actors::edge
