// Walks a template's tree. Made by ChatTemplate for one rendering; one thread.
#pragma once

#include <unordered_map>

#include "model/jinja/ast.hpp"
#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

// Variables of one block; those of the blocks around it are
// seen, not changed. Macros keep the scope they stand in.
struct Scope {
  std::shared_ptr<Scope> parent;
  std::vector<std::pair<std::string_view, Value>> variables;  // names are the tree's

  void set(std::string_view name, Value value);
  const Value* find(std::string_view name) const;  // here and around; null if absent
};

class Interpreter {
 public:
  // context: what the template is given. Both outlive the interpreter.
  Interpreter(Render& render, const std::unordered_map<std::string, Value>& context);

  Text run(const Body& body);

  // The text that a macro gives.
  Value call_macro(const MacroDefinition& macro, const std::shared_ptr<Scope>& around,
                   const Arguments& arguments);

 private:
  friend class LoopState;                   // which asks passes() for each element
  enum class Flow { normal, leave, next };  // how a body ended: at its end, by break, by continue

  Flow run_body(const Body& body);
  Flow run_statement(const Statement& statement);
  Flow run(const Data& node);
  Flow run(const Output& node);
  Flow run(const Set& node);
  Flow run(const SetBlock& node);
  Flow run(const For& node);
  Flow run(const If& node);
  Flow run(const Macro& node);
  Flow run(const CallBlock& node);
  Flow run(const FilterBlock& node);
  Flow run(const Scoped& node);
  Flow run(const Break&) { return Flow::leave; }
  Flow run(const Continue&) { return Flow::next; }

  bool passes(const For& loop, const std::shared_ptr<Scope>& around, const Value& element);
  // Runs a body in a scope of its own and gives what it wrote.
  Text capture(const Body& body, Flow& flow);
  void bind_parameters(const MacroDefinition& macro, const Arguments& arguments);
  void assign(const Target& target, Value value);

  Value evaluate(const Expression& expression);
  Value evaluate(const ExpressionPtr& expression) { return evaluate(*expression); }
  Value evaluate(const Constant& node) { return node.value; }
  Value evaluate(const Name& node);
  Value evaluate(const Sequence& node);
  Value evaluate(const Mapping& node);
  Value evaluate(const AttributeOf& node);
  Value evaluate(const ItemOf& node);
  Value evaluate(const SliceOf& node);
  Value evaluate(const Call& node);
  Value evaluate(const Filter& node);
  Value evaluate(const Test& node);
  Value evaluate(const Captured&) { return captured_; }
  Value evaluate(const Not& node);
  Value evaluate(const Sign& node);
  Value evaluate(const Binary& node);
  Value evaluate(const Logical& node);
  Value evaluate(const Compare& node);
  Value evaluate(const Concatenation& node);
  Value evaluate(const Conditional& node);
  Arguments evaluate(const CallArguments& arguments);
  Value filtered(const ExpressionPtr& filters, Text text);

  Render& render_;
  const std::unordered_map<std::string, Value>& context_;
  std::shared_ptr<Scope> scope_;
  TextWriter* out_ = nullptr;  // where output goes now
  Value captured_;
};

}  // namespace troupe::model::jinja
