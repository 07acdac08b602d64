// A template as a tree. Immutable once parsed; any thread may walk it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "model/jinja/operators.hpp"
#include "model/jinja/value.hpp"

namespace troupe::model::jinja {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<const Expression>;
using Expressions = std::vector<ExpressionPtr>;
using Body = std::vector<std::unique_ptr<const Statement>>;

struct CallArguments {
  Expressions positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star;         // *more; may be null
  ExpressionPtr double_star;  // **more; may be null
};

// What an expression may be.
struct Constant {
  Value value;
};
struct Name {
  std::string name;
};
struct Sequence {
  List::Kind kind;
  Expressions items;
};
struct Mapping {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct AttributeOf {
  ExpressionPtr object;
  std::string name;
};
struct ItemOf {
  ExpressionPtr object, key;
};
struct SliceOf {
  ExpressionPtr object, begin, end, step;
};  // the last three may be null
struct Call {
  ExpressionPtr callee;
  CallArguments arguments;
};
struct Filter {
  ExpressionPtr value;
  Function function;  // null: there is none of that name, which fails when it is reached
  std::string name;
  CallArguments arguments;
};
struct Test {
  ExpressionPtr value;
  Function function;  // null: there is none of that name, which fails when it is reached
  std::string name;
  CallArguments arguments;
};
struct Captured {};  // the text of the block that a filter is applied to
struct Not {
  ExpressionPtr operand;
};
struct Sign {
  bool minus;
  ExpressionPtr operand;
};
struct Binary {
  Arithmetic op;
  ExpressionPtr left, right;
};
struct Logical {
  bool conjunction;
  ExpressionPtr left, right;
};
struct Compare {
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};
struct Concatenation {
  Expressions parts;
};
struct Conditional {
  ExpressionPtr test, then, otherwise;
};  // otherwise may be null

struct Expression {
  std::variant<Constant, Name, Sequence, Mapping, AttributeOf, ItemOf, SliceOf, Call, Filter, Test, Captured,
               Not, Sign, Binary, Logical, Compare, Concatenation, Conditional>
      node;
  int line = 1;
  int depth = 1;  // of expressions within this one
};

// What may stand left of an equals sign.
struct Target {
  std::string name;       // empty for several
  std::string attribute;  // of the namespace `name`; may be empty
  std::vector<Target> several;
};

struct Parameter {
  std::string name;
  ExpressionPtr otherwise;  // null: none
};

struct MacroDefinition {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

// What a statement may be.
struct Data {
  Value text;
};
struct Output {
  ExpressionPtr expression;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
struct SetBlock {
  Target target;
  ExpressionPtr filtered;  // filters around Captured, or null
  Body body;
};
struct For {
  Target target;
  ExpressionPtr sequence, test;  // test may be null
  Body body, otherwise;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};
struct Macro {
  std::shared_ptr<const MacroDefinition> definition;
};
struct CallBlock {
  ExpressionPtr call;
  std::shared_ptr<const MacroDefinition> caller;
};
struct FilterBlock {
  ExpressionPtr filtered;
  Body body;
};
struct Scoped {  // {% generation %}
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  std::variant<Data, Output, Set, SetBlock, For, If, Macro, CallBlock, FilterBlock, Scoped, Break, Continue>
      node;
  int line = 1;
};

}  // namespace troupe::model::jinja
