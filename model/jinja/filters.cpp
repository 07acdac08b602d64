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

Value filter_attr(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("attr", arguments, {"name"}, 1);
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  auto found = member(render, value, given.required_text(0).bytes);
  return found && !found->undefined() ? *found
                                      : Value(Undefined{Undefined::Why::member, {}, type_name(value)});
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

Value filter_round(Render&, const Value& value, const Arguments& arguments) {
  const Parameters given("round", arguments, {"precision", "method"});
  number_only(value, "round");
  const int digits = int(std::clamp<Int>(given.integer(0, 0), -400, 400));
  const std::string method = given.text(1) ? given.text(1)->bytes : "common";
  if (method == "common") return round_to(value, digits);
  if (method != "ceil" && method != "floor")
    throw Failure("round() knows the methods common, ceil and floor");
  // func(value * (10 ** precision)) / (10 ** precision)
  const Value ten(Int(10)), scale = arithmetic(Arithmetic::power, ten, Value(Int(digits)));
  const double scaled = *as_double(arithmetic(Arithmetic::multiply, value, scale));
  const Int whole = to_int(method == "ceil" ? std::ceil(scaled) : std::floor(scaled));
  return arithmetic(Arithmetic::divide, Value(whole, value.plain), scale);
}

constexpr NamedFunction filters[] = {
    {"abs", filter_abs},
    {"attr", filter_attr},
    {"batch", filter_batch},
    {"capitalize", filter_capitalize},
    {"center", filter_center},
    {"count", filter_length},
    {"d", filter_default},
    {"default", filter_default},
    {"dictsort", filter_dictsort},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"first", filter_first},
    {"float", filter_float},
    {"forceescape", filter_forceescape},
    {"format", filter_format},
    {"groupby", filter_groupby},
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
    {"round", filter_round},
    {"safe", filter_safe},
    {"select", filter_select},
    {"selectattr", filter_selectattr},
    {"slice", filter_slice},
    {"sort", filter_sort},
    {"string", filter_string},
    {"sum", filter_sum},
    {"title", filter_title},
    {"tojson", to_json},
    {"trim", filter_trim},
    {"truncate", filter_truncate},
    {"unique", filter_unique},
    {"upper", filter_upper},
    {"wordcount", filter_wordcount},
};

}  // namespace

Function find_filter(std::string_view name) {
  const auto* found = std::find_if(std::begin(filters), std::end(filters),
                                   [name](const NamedFunction& filter) { return filter.name == name; });
  return found == std::end(filters) ? nullptr : found->function;
}

}  // namespace troupe::model::jinja
