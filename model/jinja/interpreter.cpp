#include "model/jinja/interpreter.hpp"

#include <algorithm>

#include "model/jinja/compare.hpp"
#include "model/jinja/loop.hpp"
#include "model/jinja/macro.hpp"
#include "model/jinja/namespace.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {

void Scope::set(std::string_view name, Value value) {
  const auto found = std::find_if(variables.begin(), variables.end(),
                                  [name](const auto& variable) { return variable.first == name; });
  if (found != variables.end()) {
    found->second = std::move(value);
  } else {
    variables.emplace_back(name, std::move(value));
  }
}

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope; scope = scope->parent.get()) {
    for (const auto& [known, value] : scope->variables) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

Interpreter::Interpreter(Render& render, const std::unordered_map<std::string, Value>& context)
    : render_(render), context_(context), scope_(std::make_shared<Scope>()) {}

Text Interpreter::run(const Body& body) {
  TextWriter out(render_);
  out_ = &out;
  run_body(body);
  return out.take();
}

Interpreter::Flow Interpreter::run_body(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = run_statement(*statement);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement) {
  const Render::Level level(render_);
  render_.charge(1);
  try {
    return std::visit([this](const auto& node) { return run(node); }, statement.node);
  } catch (Failure& failure) {
    if (failure.line == 0) failure.line = statement.line;
    throw;
  }
}

Interpreter::Flow Interpreter::run(const Data& node) {
  out_->append(*node.text.text());
  return Flow::normal;
}

Interpreter::Flow Interpreter::run(const Output& node) {
  print(*out_, evaluate(node.expression));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run(const Set& node) {
  assign(node.target, evaluate(node.value));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run(const SetBlock& node) {
  Flow flow = Flow::normal;
  Text text = capture(node.body, flow);
  if (flow == Flow::normal) {
    assign(node.target,
           node.filtered ? filtered(node.filtered, std::move(text)) : render_.text(std::move(text)));
  }
  return flow;
}

Interpreter::Flow Interpreter::run(const For& node) {
  const Value sequence = evaluate(node.sequence);
  const std::shared_ptr<Scope> around = scope_;
  LoopState* loop = render_.make<LoopState>(*this, render_, node, around, sequence);
  // Some pass reached the end of the body: what jinja2 goes by to skip the else branch.
  bool completed = false;
  while (auto element = loop->advance()) {
    scope_ = std::make_shared<Scope>(Scope{around, {}});
    scope_->set("loop", Value(loop));
    assign(node.target, std::move(*element));
    const Flow flow = run_body(node.body);
    if (flow == Flow::leave) break;
    completed = completed || flow == Flow::normal;
  }
  Flow flow = Flow::normal;
  if (!completed && !node.otherwise.empty()) {
    scope_ = std::make_shared<Scope>(Scope{around, {}});
    flow = run_body(node.otherwise);
  }
  scope_ = around;
  return flow;
}

bool Interpreter::passes(const For& loop, const std::shared_ptr<Scope>& around, const Value& element) {
  if (!loop.test) return true;
  const std::shared_ptr<Scope> before = std::exchange(scope_, std::make_shared<Scope>(Scope{around, {}}));
  assign(loop.target, element);
  const bool passed = truth(evaluate(loop.test));
  scope_ = before;
  return passed;
}

Interpreter::Flow Interpreter::run(const If& node) {
  for (const auto& [test, body] : node.branches) {
    if (truth(evaluate(test))) return run_body(body);
  }
  return run_body(node.otherwise);
}

Interpreter::Flow Interpreter::run(const Macro& node) {
  scope_->set(node.definition->name, Value(render_.make<MacroObject>(*this, node.definition, scope_)));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run(const CallBlock& node) {
  const auto& call_node = std::get<Call>(node.call->node);
  const Value callee = evaluate(call_node.callee);
  Arguments arguments = evaluate(call_node.arguments);
  arguments.named.emplace_back(Text("caller"), Value(render_.make<MacroObject>(*this, node.caller, scope_)));
  print(*out_, call(render_, callee, arguments));
  return Flow::normal;
}

Interpreter::Flow Interpreter::run(const FilterBlock& node) {
  Flow flow = Flow::normal;
  Text text = capture(node.body, flow);
  if (flow == Flow::normal) print(*out_, filtered(node.filtered, std::move(text)));
  return flow;
}

Interpreter::Flow Interpreter::run(const Scoped& node) {
  const std::shared_ptr<Scope> around = std::exchange(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
  const Flow flow = run_body(node.body);
  scope_ = around;
  return flow;
}

Text Interpreter::capture(const Body& body, Flow& flow) {
  const std::shared_ptr<Scope> around = std::exchange(scope_, std::make_shared<Scope>(Scope{scope_, {}}));
  TextWriter captured(render_);
  TextWriter* const out = std::exchange(out_, &captured);
  flow = run_body(body);
  out_ = out;
  scope_ = around;
  return captured.take();
}

Value Interpreter::filtered(const ExpressionPtr& filters, Text text) {
  captured_ = render_.text(std::move(text));
  return evaluate(filters);
}

Value Interpreter::call_macro(const MacroDefinition& macro, const std::shared_ptr<Scope>& around,
                              const Arguments& arguments) {
  const std::shared_ptr<Scope> before = std::exchange(scope_, std::make_shared<Scope>(Scope{around, {}}));
  TextWriter written(render_);
  TextWriter* const out = std::exchange(out_, &written);
  bind_parameters(macro, arguments);
  run_body(macro.body);
  out_ = out;
  scope_ = before;
  return written.value();
}

void Interpreter::bind_parameters(const MacroDefinition& macro, const Arguments& arguments) {
  std::vector<std::pair<Text, Value>> named = arguments.named;
  const auto take = [&named](std::string_view name) -> std::optional<Value> {
    const auto found = std::find_if(named.begin(), named.end(),
                                    [name](const auto& pair) { return pair.first.bytes == name; });
    if (found == named.end()) return std::nullopt;
    Value value = std::move(found->second);
    named.erase(found);
    return value;
  };
  const std::size_t given = std::min(arguments.positional.size(), macro.parameters.size());
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    std::optional<Value> value = i < given ? arguments.positional[i] : take(parameter.name);
    if (!value && parameter.otherwise) value = evaluate(parameter.otherwise);
    scope_->set(parameter.name, value.value_or(Undefined{Undefined::Why::variable, parameter.name, {}}));
  }
  if (macro.uses_caller) {
    scope_->set("caller",
                take("caller").value_or(Undefined{Undefined::Why::hint, "no caller is defined", {}}));
  }
  if (macro.uses_kwargs) {
    std::vector<std::pair<Value, Value>> entries;
    for (auto& [name, value] : named) entries.emplace_back(render_.text(std::move(name)), std::move(value));
    scope_->set("kwargs", render_.dict(std::move(entries)));
  } else if (!named.empty()) {
    throw Failure("macro '" + macro.name + "' takes no such named argument");
  }
  if (macro.uses_varargs) {
    scope_->set("varargs", render_.tuple({arguments.positional.begin() + std::ptrdiff_t(given),
                                          arguments.positional.end()}));
  } else if (arguments.positional.size() > given) {
    throw Failure("macro '" + macro.name + "' takes no more than " + std::to_string(given) + " arguments");
  }
}

void Interpreter::assign(const Target& target, Value value) {
  if (!target.several.empty()) {
    Values parts = elements(render_, value);
    if (parts.size() != target.several.size()) {
      throw Failure("unpacks " + std::to_string(parts.size()) + " values into " +
                    std::to_string(target.several.size()));
    }
    for (std::size_t i = 0; i < parts.size(); ++i) assign(target.several[i], std::move(parts[i]));
    return;
  }
  if (target.attribute.empty()) return scope_->set(target.name, std::move(value));
  const Value holder = evaluate(Name{target.name});
  auto* space = dynamic_cast<Namespace*>(holder.object());
  if (!space) throw Failure("'" + target.name + "' is no namespace, and its attributes cannot be set");
  space->set(Text(target.attribute), std::move(value));
}

}  // namespace troupe::model::jinja
