#include "model/jinja/operators.hpp"

#include "model/jinja/compare.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

std::string_view symbol(Arithmetic op) {
  switch (op) {
    case Arithmetic::add:
      return "+";
    case Arithmetic::subtract:
      return "-";
    case Arithmetic::multiply:
      return "*";
    case Arithmetic::divide:
      return "/";
    case Arithmetic::floor_divide:
      return "//";
    case Arithmetic::modulo:
      return "%";
    default:
      return "**";
  }
}

std::optional<Value> add_sequences(Render& render, const Value& left, const Value& right) {
  if (left.text() && right.text()) return concatenate(render, *left.text(), *right.text());
  const List *a = left.list(), *b = right.list();
  const bool tuples = a && b && a->tuple() && b->tuple();
  if (!a || !b || (!tuples && (a->kind != List::Kind::list || b->kind != List::Kind::list)))
    return std::nullopt;
  Values items = a->items;
  items.insert(items.end(), b->items.begin(), b->items.end());
  return render.list(std::move(items), tuples ? List::Kind::tuple : List::Kind::list);
}

std::optional<Value> repeat_sequence(Render& render, const Value& value, const Value& times) {
  const auto count = as_int(times);
  if (!count) return std::nullopt;
  if (const Text* text = value.text()) return repeat(render, *text, *count);
  const List* list = value.list();
  if (!list || !list->indexable()) return std::nullopt;
  Values items;
  for (Int i = 0; i < *count && !list->items.empty(); ++i) {
    render.charge(2 * list->items.size());
    items.insert(items.end(), list->items.begin(), list->items.end());
  }
  return render.list(std::move(items), list->tuple() ? List::Kind::tuple : List::Kind::list);
}

std::optional<Value> on_sequences(Render& render, Arithmetic op, const Value& left, const Value& right) {
  switch (op) {
    case Arithmetic::add:
      return add_sequences(render, left, right);
    case Arithmetic::multiply:
      if (auto repeated = repeat_sequence(render, left, right)) return repeated;
      return repeat_sequence(render, right, left);
    default:
      return std::nullopt;
  }
}

}  // namespace

Value binary(Render& render, Arithmetic op, const Value& left, const Value& right) {
  if (is_number(left) && is_number(right)) return arithmetic(op, left, right);
  if (left.undefined()) fail_undefined(left.get<Undefined>());
  if (right.undefined()) fail_undefined(right.get<Undefined>());
  if (auto result = on_sequences(render, op, left, right)) return *result;
  throw Failure("the operator " + std::string(symbol(op)) + " does not take '" +
                std::string(type_name(left)) + "' and '" + std::string(type_name(right)) + "'");
}

Value unary(bool minus, const Value& value) {
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  if (!is_number(value)) throw Failure("a sign does not go with '" + std::string(type_name(value)) + "'");
  if (minus) return negate(value);
  return value.is<bool>() ? Value(*as_int(value), value.plain) : value;
}

bool compare(Render& render, Comparison op, const Value& left, const Value& right) {
  switch (op) {
    case Comparison::equal:
      return equal(render, left, right);
    case Comparison::not_equal:
      return !equal(render, left, right);
    case Comparison::less:
      return less(render, left, right);
    case Comparison::greater:
      return less(render, right, left);
    case Comparison::less_equal:
      return less(render, left, right) || equal(render, left, right);
    case Comparison::greater_equal:
      return less(render, right, left) || equal(render, left, right);
    case Comparison::in:
      return contains(render, right, left);
    case Comparison::not_in:
      return !contains(render, right, left);
  }
  return false;
}

Value call(Render& render, const Value& callee, const Arguments& arguments) {
  const Render::Level level(render);
  if (callee.undefined()) fail_undefined(callee.get<Undefined>());
  if (const Method* method = callee.method()) return method->function(render, method->self, arguments);
  if (Object* object = callee.object()) return object->call(render, arguments);
  throw Failure("calls a value of type '" + std::string(type_name(callee)) + "'");
}

}  // namespace troupe::model::jinja
