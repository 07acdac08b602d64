// What may follow a value: attributes, items, calls, filters and tests.
#include <algorithm>

#include "model/jinja/filters.hpp"
#include "model/jinja/parser.hpp"

namespace troupe::model::jinja {
void ExpressionParser::note_unknown(Function found, std::string_view what, const std::string& name,
                                    int line) {
  if (!found) unknown_.push_back({"the " + std::string(what) + " '" + name + "' is not supported", line});
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr value) {
  while (true) {
    if (at_symbol(".") || at_symbol("[")) {
      value = subscript(std::move(value));
    } else if (at_symbol("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::filter_postfix(ExpressionPtr value) {
  while (true) {
    if (at_symbol("|")) {
      value = filters(std::move(value), false);
    } else if (at_name("is")) {
      value = test(std::move(value));
    } else if (at_symbol("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
  const int at_line = line();
  if (at_symbol("[")) return bracketed(std::move(object));
  expect_symbol(".");
  const int depth = depth_of(object);
  if (at(Token::Kind::name)) return make(at_line, AttributeOf{std::move(object), take_name()}, {depth});
  if (!at(Token::Kind::integer)) fail("expected a name or a number");
  ExpressionPtr key = make(at_line, Constant{Value(next().integer)}, {});
  return make(at_line, ItemOf{std::move(object), std::move(key)}, {depth});
}

ExpressionPtr ExpressionParser::bracketed(ExpressionPtr object) {
  const int at = line();
  expect_symbol("[");
  Expressions keys;
  ExpressionPtr parts[3];
  const auto ends = [&] { return at_symbol("]") || at_symbol(",") || at_symbol(":"); };
  bool sliced = false;
  while (!at_symbol("]")) {
    if (!keys.empty()) expect_symbol(",");
    ExpressionPtr first;
    if (!at_symbol(":")) first = expression();
    if (!at_symbol(":")) {
      keys.push_back(std::move(first));
      continue;
    }
    sliced = true;
    parts[0] = std::move(first);
    for (int part = 1; part < 3 && skip_symbol(":"); ++part) {
      if (!ends()) parts[part] = expression();
    }
    break;
  }
  expect_symbol("]");
  if (sliced && !keys.empty()) fail("a slice among several keys is not supported", at);
  if (sliced) {
    const int depth =
        std::max({depth_of(object), depth_of(parts[0]), depth_of(parts[1]), depth_of(parts[2])});
    return make(at, SliceOf{std::move(object), std::move(parts[0]), std::move(parts[1]), std::move(parts[2])},
                {depth});
  }
  const int depth = std::max(depth_of(object), depth_of(keys));
  ExpressionPtr key;
  if (keys.size() == 1) {
    key = std::move(keys.front());
  } else {
    key = make(at, Sequence{List::Kind::tuple, std::move(keys)}, {depth});
  }
  return make(at, ItemOf{std::move(object), std::move(key)}, {depth});
}

ExpressionPtr ExpressionParser::call(ExpressionPtr callee) {
  const int at = line();
  CallArguments given = arguments();
  const int depth = std::max(depth_of(callee), depth_of(given));
  return make(at, Call{std::move(callee), std::move(given)}, {depth});
}

CallArguments ExpressionParser::arguments() {
  CallArguments given;
  expect_symbol("(");
  bool first = true;
  while (!at_symbol(")")) {
    if (!first) expect_symbol(",");
    first = false;
    if (at_symbol(")")) break;
    if (given.double_star) fail("an argument follows '**'");
    if (at_symbol("*")) {
      if (given.star) fail("'*' is given twice");
      next();
      given.star = expression();
    } else if (skip_symbol("**")) {
      given.double_star = expression();
    } else if (at(Token::Kind::name) && at_symbol("=", 1)) {
      std::string name = take_name();
      next();
      const auto same = [&](const auto& argument) { return argument.first == name; };
      if (std::any_of(given.named.begin(), given.named.end(), same)) fail("'" + name + "' is given twice");
      ExpressionPtr value = expression();
      given.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (given.star || !given.named.empty()) fail("a positional argument follows a named one");
      given.positional.push_back(expression());
    }
  }
  expect_symbol(")");
  return given;
}

std::string ExpressionParser::dotted_name() {
  std::string name = take_name();
  while (skip_symbol(".")) name += "." + take_name();
  return name;
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr value, bool first_has_no_pipe) {
  while (first_has_no_pipe || skip_symbol("|")) {
    first_has_no_pipe = false;
    const int at = line();
    const std::string name = dotted_name();
    const Function function = find_filter(name);
    note_unknown(function, "filter", name, at);
    CallArguments given;
    if (at_symbol("(")) given = arguments();
    const int depth = std::max(depth_of(value), depth_of(given));
    value = make(at, Filter{std::move(value), function, name, std::move(given)}, {depth});
  }
  return value;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr value) {
  const int at_line = line();
  expect_name("is");
  const bool negated = skip_name("not");
  const std::string name = dotted_name();
  const Function function = find_test(name);
  note_unknown(function, "test", name, at_line);
  CallArguments given;
  const bool argument = at(Token::Kind::name) || at(Token::Kind::string) || at(Token::Kind::integer) ||
                        at(Token::Kind::number) || at_symbol("[") || at_symbol("{");
  if (at_symbol("(")) {
    given = arguments();
  } else if (argument && !at_name("else") && !at_name("or") && !at_name("and")) {
    if (at_name("is")) fail("tests cannot be chained with 'is'");
    given.positional.push_back(postfix(primary()));
  }
  const int depth = std::max(depth_of(value), depth_of(given));
  ExpressionPtr result = make(at_line, Test{std::move(value), function, name, std::move(given)}, {depth});
  return negated ? make(at_line, Not{std::move(result)}, {depth + 1}) : std::move(result);
}

}  // namespace troupe::model::jinja
