#include "model/jinja/filters.hpp"

#include <algorithm>
#include <cmath>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/json.hpp"
#include "model/jinja/methods.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

const Value& number_only(const Value& value, std::string_view filter) {
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  if (!is_number(value)) {
    throw Failure("the filter '" + std::string(filter) + "' wants a number, not '" +
                  std::string(type_name(value)) + "'");
  }
  return value;
}

Value filter_abs(Render&, const Value& value, const Arguments& arguments) {
  Parameters("abs", arguments, {});
  return absolute(number_only(value, "abs"));
}

Value filter_default(Render&, const Value& value, const Arguments& arguments) {
  const Parameters given("default", arguments, {"default_value", "boolean"});
  if (!value.undefined() && !(given.flag(1, false) && !truth(value))) return value;
  return given[0] ? *given[0] : Value(std::make_shared<const Text>());
}

bool is_plain(const Value& value) {
  return value.plain || (value.text() && !value.text()->plain.empty());
}

Value filter_float(Render&, const Value& value, const Arguments& arguments) {
  const Parameters given("float", arguments, {"default"});
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  std::optional<double> number = as_double(value);
  if (const Text* text = value.text()) number = parse_float(text->bytes);
  if (number) return Value(*number, is_plain(value));
  return given[0] ? *given[0] : Value(0.0);
}

Value filter_int(Render&, const Value& value, const Arguments& arguments) {
  const Parameters given("int", arguments, {"default", "base"});
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  const Value otherwise = given[0] ? *given[0] : Value(Int(0));
  const Int base = given.integer(1, 10);
  if (value.is<double>()) {
    return std::isnan(value.get<double>()) ? otherwise : Value(to_int(value.get<double>()), value.plain);
  }
  if (const auto whole = as_int(value)) return Value(*whole, value.plain);
  const Text* text = value.text();
  if (!text) return otherwise;
  if (base == 0 || (base >= 2 && base <= 36)) {
    if (const auto whole = parse_int(text->bytes, int(base))) return Value(*whole, is_plain(value));
  }
  const auto number = parse_float(text->bytes);
  return number && std::isfinite(*number) ? Value(to_int(*number), is_plain(value)) : otherwise;
}

constexpr NamedFunction filters[] = {
    {"abs", filter_abs},
    {"capitalize", filter_capitalize},
    {"count", filter_length},
    {"d", filter_default},
    {"default", filter_default},
    {"dictsort", filter_dictsort},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"first", filter_first},
    {"float", filter_float},
    {"indent", filter_indent},
    {"int", filter_int},
    {"items", filter_items},
    {"join", filter_join},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"lower", filter_lower},
    {"map", filter_map},
    {"max", filter_max},
    {"min", filter_min},
    {"reject", filter_reject},
    {"rejectattr", filter_rejectattr},
    {"replace", filter_replace},
    {"reverse", filter_reverse},
    {"safe", filter_safe},
    {"select", filter_select},
    {"selectattr", filter_selectattr},
    {"sort", filter_sort},
    {"string", filter_string},
    {"sum", filter_sum},
    {"title", filter_title},
    {"tojson", to_json},
    {"trim", filter_trim},
    {"unique", filter_unique},
    {"upper", filter_upper},
};

}  // namespace

Function find_filter(std::string_view name) {
  const auto* found = std::find_if(std::begin(filters), std::end(filters),
                                   [name](const NamedFunction& filter) { return filter.name == name; });
  return found == std::end(filters) ? nullptr : found->function;
}

}  // namespace troupe::model::jinja
