#include <algorithm>

#include "model/jinja/filters.hpp"
#include "model/jinja/parser.hpp"

namespace troupe::model::jinja {
int depth_of(const ExpressionPtr& expression) {
  return expression ? expression->depth : 0;
}

int depth_of(const Expressions& expressions) {
  int depth = 0;
  for (const ExpressionPtr& expression : expressions) depth = std::max(depth, depth_of(expression));
  return depth;
}

int depth_of(const CallArguments& arguments) {
  int depth =
      std::max({depth_of(arguments.positional), depth_of(arguments.star), depth_of(arguments.double_star)});
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, depth_of(value));
  return depth;
}

namespace {

Value constant_text(std::string_view text) {
  return Value(std::make_shared<const Text>(text));
}

}  // namespace

ExpressionPtr ExpressionParser::expression(Condition condition) {
  const Level level(*this);
  return condition == Condition::allowed ? conditional() : disjunction();
}

ExpressionPtr ExpressionParser::conditional() {
  const std::size_t unknown = unknown_.size();
  ExpressionPtr value = disjunction();
  for (int at = line(); skip_name("if"); at = line()) {
    ExpressionPtr test = disjunction();
    ExpressionPtr otherwise;
    if (skip_name("else")) otherwise = expression();
    const int test_depth = depth_of(test), value_depth = depth_of(value),
              otherwise_depth = depth_of(otherwise);
    value = make(at, Conditional{std::move(test), std::move(value), std::move(otherwise)},
                 {test_depth, value_depth, otherwise_depth});
    unknown_.resize(unknown);
  }
  return value;
}

ExpressionPtr ExpressionParser::disjunction() {
  ExpressionPtr left = conjunction();
  for (int at = line(); skip_name("or"); at = line()) {
    ExpressionPtr right = conjunction();
    const int left_depth = depth_of(left), right_depth = depth_of(right);
    left = make(at, Logical{false, std::move(left), std::move(right)}, {left_depth, right_depth});
  }
  return left;
}

ExpressionPtr ExpressionParser::conjunction() {
  ExpressionPtr left = negation();
  for (int at = line(); skip_name("and"); at = line()) {
    ExpressionPtr right = negation();
    const int left_depth = depth_of(left), right_depth = depth_of(right);
    left = make(at, Logical{true, std::move(left), std::move(right)}, {left_depth, right_depth});
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  const int at = line();
  if (!skip_name("not")) return comparison();
  const Level level(*this);
  ExpressionPtr operand = negation();
  const int depth = depth_of(operand);
  return make(at, Not{std::move(operand)}, {depth});
}

ExpressionPtr ExpressionParser::comparison() {
  static constexpr std::pair<std::string_view, Comparison> symbols[] = {
      {"==", Comparison::equal},      {"!=", Comparison::not_equal}, {"<", Comparison::less},
      {"<=", Comparison::less_equal}, {">", Comparison::greater},    {">=", Comparison::greater_equal}};
  const int at = line();
  Compare compare{sum(), {}};
  int depth = depth_of(compare.first);
  while (true) {
    std::optional<Comparison> op;
    for (const auto& [symbol, comparison] : symbols) {
      if (at_symbol(symbol)) op = comparison;
    }
    if (at_name("in")) op = Comparison::in;
    if (at_name("not") && at_name("in", 1)) {
      next();
      op = Comparison::not_in;
    }
    if (!op) break;
    next();
    compare.rest.emplace_back(*op, sum());
    depth = std::max(depth, depth_of(compare.rest.back().second));
  }
  if (compare.rest.empty()) return std::move(compare.first);
  return make(at, std::move(compare), {depth});
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr left = concatenation();
  for (int at = line(); at_symbol("+") || at_symbol("-"); at = line()) {
    const Arithmetic op = next().text == "+" ? Arithmetic::add : Arithmetic::subtract;
    ExpressionPtr right = concatenation();
    const int left_depth = depth_of(left), right_depth = depth_of(right);
    left = make(at, Binary{op, std::move(left), std::move(right)}, {left_depth, right_depth});
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  const int at = line();
  Expressions parts;
  do parts.push_back(product());
  while (skip_symbol("~"));
  if (parts.size() == 1) return std::move(parts.front());
  const int depth = depth_of(parts);
  return make(at, Concatenation{std::move(parts)}, {depth});
}

ExpressionPtr ExpressionParser::product() {
  static constexpr std::pair<std::string_view, Arithmetic> symbols[] = {{"*", Arithmetic::multiply},
                                                                        {"/", Arithmetic::divide},
                                                                        {"//", Arithmetic::floor_divide},
                                                                        {"%", Arithmetic::modulo}};
  ExpressionPtr left = power();
  while (true) {
    const int at = line();
    const auto* found = std::find_if(std::begin(symbols), std::end(symbols),
                                     [&](const auto& symbol) { return at_symbol(symbol.first); });
    if (found == std::end(symbols)) return left;
    next();
    ExpressionPtr right = power();
    const int left_depth = depth_of(left), right_depth = depth_of(right);
    left = make(at, Binary{found->second, std::move(left), std::move(right)}, {left_depth, right_depth});
  }
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = unary(true);
  for (int at = line(); skip_symbol("**"); at = line()) {
    ExpressionPtr right = unary(true);
    const int left_depth = depth_of(left), right_depth = depth_of(right);
    left = make(at, Binary{Arithmetic::power, std::move(left), std::move(right)}, {left_depth, right_depth});
  }
  return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  const Level level(*this);
  const int at = line();
  ExpressionPtr value;
  if (at_symbol("-") || at_symbol("+")) {
    const bool minus = next().text == "-";
    ExpressionPtr operand = unary(false);
    const int depth = depth_of(operand);
    value = make(at, Sign{minus, std::move(operand)}, {depth});
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filter_postfix(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::primary() {
  const Token& token = peek();
  switch (token.kind) {
    case Token::Kind::name:
      return named_value();
    case Token::Kind::integer:
      next();
      return make(token.line, Constant{Value(token.integer)}, {});
    case Token::Kind::number:
      next();
      return make(token.line, Constant{Value(token.number)}, {});
    case Token::Kind::string: {
      std::string joined;
      while (at(Token::Kind::string)) joined += next().text;
      return make(token.line, Constant{constant_text(joined)}, {});
    }
    default:
      break;
  }
  if (at_symbol("(")) return parenthesised();
  if (at_symbol("[")) return list();
  if (at_symbol("{")) return mapping();
  fail(token.kind == Token::Kind::symbol ? "'" + token.text + "' is not expected here"
                                         : "expected an expression");
}

ExpressionPtr ExpressionParser::named_value() {
  const int at = line();
  std::string name = take_name();
  if (name == "true" || name == "True") return make(at, Constant{Value(true)}, {});
  if (name == "false" || name == "False") return make(at, Constant{Value(false)}, {});
  if (name == "none" || name == "None") return make(at, Constant{Value(None{})}, {});
  for (MacroDefinition* macro : open_macros_) {
    macro->uses_caller |= name == "caller";
    macro->uses_varargs |= name == "varargs";
    macro->uses_kwargs |= name == "kwargs";
  }
  return make(at, Name{std::move(name)}, {});
}

ExpressionPtr ExpressionParser::parenthesised() {
  expect_symbol("(");
  ExpressionPtr value = tuple_items(Condition::allowed, true);
  expect_symbol(")");
  return value;
}

ExpressionPtr ExpressionParser::tuple(Condition condition) {
  return tuple_items(condition, false);
}

ExpressionPtr ExpressionParser::tuple_items(Condition condition, bool may_be_empty) {
  const int at_line = line();
  Expressions items;
  bool several = false;
  while (true) {
    if (!items.empty()) expect_symbol(",");
    if (at(Token::Kind::variable_end) || at(Token::Kind::block_end) || at_symbol(")")) break;
    items.push_back(expression(condition));
    if (!at_symbol(",")) break;
    several = true;
  }
  if (!several && !items.empty()) return std::move(items.front());
  if (items.empty() && !may_be_empty) fail("expected an expression");
  const int depth = depth_of(items);
  return make(at_line, Sequence{List::Kind::tuple, std::move(items)}, {depth});
}

ExpressionPtr ExpressionParser::list() {
  const int at = line();
  expect_symbol("[");
  Expressions items;
  while (!at_symbol("]")) {
    if (!items.empty()) expect_symbol(",");
    if (at_symbol("]")) break;
    items.push_back(expression());
  }
  expect_symbol("]");
  const int depth = depth_of(items);
  return make(at, Sequence{List::Kind::list, std::move(items)}, {depth});
}

ExpressionPtr ExpressionParser::mapping() {
  const int at = line();
  expect_symbol("{");
  Mapping mapping;
  int depth = 0;
  while (!at_symbol("}")) {
    if (!mapping.entries.empty()) expect_symbol(",");
    if (at_symbol("}")) break;
    ExpressionPtr key = expression();
    expect_symbol(":");
    ExpressionPtr value = expression();
    depth = std::max({depth, depth_of(key), depth_of(value)});
    mapping.entries.emplace_back(std::move(key), std::move(value));
  }
  expect_symbol("}");
  return make(at, std::move(mapping), {depth});
}

}  // namespace troupe::model::jinja
