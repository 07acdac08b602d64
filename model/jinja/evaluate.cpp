// The half of the interpreter that finds the values of expressions.
#include <algorithm>

#include "model/jinja/compare.hpp"
#include "model/jinja/interpreter.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/operators.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  const Render::Level level(render_);
  render_.charge(1);
  try {
    return std::visit([this](const auto& node) { return evaluate(node); }, expression.node);
  } catch (Failure& failure) {
    if (failure.line == 0) failure.line = expression.line;
    throw;
  }
}

Value Interpreter::evaluate(const Name& node) {
  if (const Value* variable = scope_->find(node.name)) return *variable;
  const auto given = context_.find(node.name);
  if (given != context_.end()) return given->second;
  return Undefined{Undefined::Why::variable, node.name, {}};
}

Value Interpreter::evaluate(const Sequence& node) {
  Values items;
  for (const ExpressionPtr& item : node.items) items.push_back(evaluate(item));
  return render_.list(std::move(items), node.kind);
}

Value Interpreter::evaluate(const Mapping& node) {
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : node.entries) {
    Value evaluated = evaluate(key);
    entries.emplace_back(std::move(evaluated), evaluate(value));
  }
  return render_.dict(std::move(entries));
}

Value Interpreter::evaluate(const AttributeOf& node) {
  return attribute(render_, evaluate(node.object), node.name);
}

Value Interpreter::evaluate(const ItemOf& node) {
  const Value object = evaluate(node.object);
  // A key written out in the template may be named in an error, one computed from data may not.
  const auto* constant = std::get_if<Constant>(&node.key->node);
  const Text* written = constant ? constant->value.text() : nullptr;
  return item(render_, object, evaluate(node.key),
              written ? std::string_view(written->bytes) : std::string_view());
}

Value Interpreter::evaluate(const SliceOf& node) {
  const Value object = evaluate(node.object);
  const auto bound = [&](const ExpressionPtr& expression) -> std::optional<Int> {
    const Value value = expression ? evaluate(expression) : Value(None{});
    if (value.none()) return std::nullopt;
    const auto index = as_int(value);
    if (!index) throw Failure("slices with a value of type '" + std::string(type_name(value)) + "'");
    return index;
  };
  const auto begin = bound(node.begin), end = bound(node.end), step = bound(node.step);
  return slice(render_, object, begin, end, step);
}

Arguments Interpreter::evaluate(const CallArguments& arguments) {
  Arguments given;
  for (const ExpressionPtr& argument : arguments.positional) given.positional.push_back(evaluate(argument));
  for (const auto& [name, value] : arguments.named) given.named.emplace_back(Text(name), evaluate(value));
  if (arguments.star) {
    for (Value& more : elements(render_, evaluate(arguments.star)))
      given.positional.push_back(std::move(more));
  }
  if (!arguments.double_star) return given;
  const Value more = evaluate(arguments.double_star);
  if (!more.dict()) throw Failure("what follows ** is no mapping");
  for (const auto& [key, value] : more.dict()->entries) {
    if (!key.text()) throw Failure("what follows ** has keys that are no strings");
    const auto same = [&, name = &key.text()->bytes](const auto& argument) {
      return argument.first.bytes == *name;
    };
    render_.charge(1 + given.named.size() / 8);
    if (std::any_of(given.named.begin(), given.named.end(), same))
      throw Failure("an argument is given twice");
    given.named.emplace_back(*key.text(), value);
  }
  return given;
}

Value Interpreter::evaluate(const Call& node) {
  const Value callee = evaluate(node.callee);
  return call(render_, callee, evaluate(node.arguments));
}

Value Interpreter::evaluate(const Filter& node) {
  const Value value = evaluate(node.value);
  if (!node.function) throw Failure("the filter '" + node.name + "' is not supported");
  return node.function(render_, value, evaluate(node.arguments));
}

Value Interpreter::evaluate(const Test& node) {
  const Value value = evaluate(node.value);
  if (!node.function) throw Failure("the test '" + node.name + "' is not supported");
  return node.function(render_, value, evaluate(node.arguments));
}

Value Interpreter::evaluate(const Not& node) {
  return Value(!truth(evaluate(node.operand)));
}

Value Interpreter::evaluate(const Sign& node) {
  return unary(node.minus, evaluate(node.operand));
}

Value Interpreter::evaluate(const Binary& node) {
  const Value left = evaluate(node.left);
  return binary(render_, node.op, left, evaluate(node.right));
}

Value Interpreter::evaluate(const Logical& node) {
  Value left = evaluate(node.left);
  return truth(left) == node.conjunction ? evaluate(node.right) : left;
}

Value Interpreter::evaluate(const Compare& node) {
  Value left = evaluate(node.first);
  for (const auto& [op, expression] : node.rest) {
    Value right = evaluate(expression);
    if (!compare(render_, op, left, right)) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Value Interpreter::evaluate(const Concatenation& node) {
  Values parts;
  for (const ExpressionPtr& part : node.parts) parts.push_back(evaluate(part));
  TextWriter out(render_);
  for (const Value& part : parts) print(out, part);
  return out.value();
}

Value Interpreter::evaluate(const Conditional& node) {
  if (truth(evaluate(node.test))) return evaluate(node.then);
  if (node.otherwise) return evaluate(node.otherwise);
  return Undefined{Undefined::Why::hint, "an inline if was false and has no else", {}};
}

}  // namespace troupe::model::jinja
