#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/filters.hpp"
#include "model/jinja/methods.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/operators.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

// A test of the value alone.
template <bool holds(Render&, const Value&)>
Value test(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("test", arguments, {});
  return Value(holds(render, value));
}

// A test against one other value.
template <bool holds(Render&, const Value&, const Value&)>
Value against(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("test", arguments, {"other"}, 1);
  return Value(holds(render, value, *given[0]));
}

bool remains(Render& render, const Value& value, const Value& divisor, Int remainder) {
  return equal(render, binary(render, Arithmetic::modulo, value, divisor), Value(remainder));
}

bool odd(Render& render, const Value& value) {
  return remains(render, value, Value(Int(2)), 1);
}
bool even(Render& render, const Value& value) {
  return remains(render, value, Value(Int(2)), 0);
}
bool divisible(Render& render, const Value& value, const Value& by) {
  return remains(render, value, by, 0);
}
bool defined(Render&, const Value& value) {
  return !value.undefined();
}
bool undefined(Render&, const Value& value) {
  return value.undefined();
}
bool none(Render&, const Value& value) {
  return value.none();
}
bool boolean(Render&, const Value& value) {
  return value.is<bool>();
}
bool is_false(Render&, const Value& value) {
  return value.is<bool>() && !value.get<bool>();
}
bool is_true(Render&, const Value& value) {
  return value.is<bool>() && value.get<bool>();
}
bool integer(Render&, const Value& value) {
  return value.is<Int>();
}
bool floating(Render&, const Value& value) {
  return value.is<double>();
}
bool number(Render&, const Value& value) {
  return is_number(value);
}
bool string(Render&, const Value& value) {
  return value.text() != nullptr;
}
bool is_mapping(Render&, const Value& value) {
  return mapping(value);
}
bool is_iterable(Render&, const Value& value) {
  return iterable(value);
}
bool lower_case(Render& render, const Value& value) {
  return all_cased(render, *to_text(render, value), false);
}
bool upper_case(Render& render, const Value& value) {
  return all_cased(render, *to_text(render, value), true);
}
bool same_as(Render&, const Value& value, const Value& other) {
  return identical(value, other);
}
bool is_in(Render& render, const Value& value, const Value& container) {
  return contains(render, container, value);
}
bool not_equal(Render& render, const Value& a, const Value& b) {
  return !equal(render, a, b);
}
bool greater(Render& render, const Value& a, const Value& b) {
  return less(render, b, a);
}
bool at_least(Render& render, const Value& a, const Value& b) {
  return compare(render, Comparison::greater_equal, a, b);
}
bool at_most(Render& render, const Value& a, const Value& b) {
  return compare(render, Comparison::less_equal, a, b);
}

bool sequence(Render&, const Value& value) {
  const bool view = value.list() && !value.list()->indexable();
  return length(value).has_value() && !view;
}

bool callable(Render&, const Value& value) {
  return value.undefined() || value.method() || (value.object() && value.object()->callable());
}

constexpr NamedFunction tests[] = {
    {"!=", against<not_equal>},
    {"<", against<less>},
    {"<=", against<at_most>},
    {"==", against<equal>},
    {">", against<greater>},
    {">=", against<at_least>},
    {"boolean", test<boolean>},
    {"callable", test<callable>},
    {"defined", test<defined>},
    {"divisibleby", against<divisible>},
    {"eq", against<equal>},
    {"equalto", against<equal>},
    {"even", test<even>},
    {"false", test<is_false>},
    {"float", test<floating>},
    {"ge", against<at_least>},
    {"greaterthan", against<greater>},
    {"gt", against<greater>},
    {"in", against<is_in>},
    {"integer", test<integer>},
    {"iterable", test<is_iterable>},
    {"le", against<at_most>},
    {"lessthan", against<less>},
    {"lower", test<lower_case>},
    {"lt", against<less>},
    {"mapping", test<is_mapping>},
    {"ne", against<not_equal>},
    {"none", test<none>},
    {"number", test<number>},
    {"odd", test<odd>},
    {"sameas", against<same_as>},
    {"sequence", test<sequence>},
    {"string", test<string>},
    {"true", test<is_true>},
    {"undefined", test<undefined>},
    {"upper", test<upper_case>},
};

}  // namespace

Function find_test(std::string_view name) {
  const auto* found = std::find_if(std::begin(tests), std::end(tests),
                                   [name](const NamedFunction& test) { return test.name == name; });
  return found == std::end(tests) ? nullptr : found->function;
}

}  // namespace troupe::model::jinja
