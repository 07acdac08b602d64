#include <algorithm>

#include "model/jinja/parser.hpp"

namespace troupe::model::jinja {
namespace {

using Ends = std::initializer_list<std::string_view>;

class StatementParser : private ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Body run() { return body({}); }

 private:
  template <class Node>
  static std::unique_ptr<const Statement> make(int line, Node node) {
    auto statement = std::make_unique<Statement>();
    statement->node = std::move(node);
    statement->line = line;
    return statement;
  }

  // Text, outputs and statements, up to a tag that one of `ends` begins, which is left to be read. Without
  // ends, up to the end of the template.
  Body body(Ends ends) {
    const Level level(*this);
    Body statements;
    while (!at(Token::Kind::end)) {
      const int at_line = line();
      if (at(Token::Kind::data)) {
        statements.push_back(make(at_line, Data{Value(std::make_shared<const Text>(next().text))}));
      } else if (at(Token::Kind::variable_begin)) {
        next();
        Output output{tuple()};
        expect(Token::Kind::variable_end, "the end of the output tag");
        settle_unknown();
        statements.push_back(make(at_line, std::move(output)));
      } else {
        expect(Token::Kind::block_begin, "a tag");
        for (const std::string_view end : ends) {
          if (at_name(end)) return statements;
        }
        statements.push_back(statement());
        settle_unknown();
        expect(Token::Kind::block_end, "the end of the tag");
      }
    }
    if (ends.size() > 0) fail("expected '" + std::string(*ends.begin()) + "' before the end of the template");
    return statements;
  }

  void settle_unknown() {
    if (!conditional_ && !unknown_.empty()) throw unknown_.front();
    unknown_.clear();
  }

  // The body of a tag, from the end of the tag on; takes the word that ends it unless there is a choice.
  Body block(Ends ends, bool conditional = false) {
    skip_symbol(":");
    expect(Token::Kind::block_end, "the end of the tag");
    settle_unknown();
    const bool around = std::exchange(conditional_, conditional);
    Body statements = body(ends);
    conditional_ = around;
    if (ends.size() == 1) next();
    return statements;
  }

  std::unique_ptr<const Statement> statement() {
    using Read = std::unique_ptr<const Statement> (StatementParser::*)(int);
    static constexpr std::pair<std::string_view, Read> tags[] = {
        {"set", &StatementParser::set},
        {"for", &StatementParser::loop},
        {"if", &StatementParser::condition},
        {"macro", &StatementParser::macro},
        {"call", &StatementParser::call_block},
        {"filter", &StatementParser::filter_block},
        {"break", &StatementParser::leave_loop},
        {"continue", &StatementParser::leave_loop},
        {"generation", &StatementParser::generation}};
    const int at = line();
    for (const auto& [name, read] : tags) {
      if (at_name(name)) return (this->*read)(at);
    }
    const std::string name = take_name();
    fail("the tag '" + name + "' is not supported", at);
  }

  Target target(std::string_view end, bool with_namespace) {
    const Level level(*this);
    Target several;
    bool comma = false;
    while (true) {
      if (!several.several.empty()) expect_symbol(",");
      if (!end.empty() && at_name(end)) break;
      if (at_symbol(")") || at(Token::Kind::block_end)) break;
      several.several.push_back(single_target(with_namespace));
      if (!at_symbol(",")) break;
      comma = true;
    }
    if (several.several.empty()) fail("expected a name to assign to");
    return comma ? std::move(several) : std::move(several.several.front());
  }

  Target single_target(bool with_namespace) {
    if (skip_symbol("(")) {
      Target inner = target({}, with_namespace);
      expect_symbol(")");
      return inner;
    }
    Target single;
    const int at = line();
    single.name = take_name();
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (single.name == constant) fail("'" + single.name + "' cannot be assigned to", at);
    }
    if (with_namespace && skip_symbol(".")) single.attribute = take_name();
    return single;
  }

  std::unique_ptr<const Statement> set(int at) {
    next();
    Target assigned = target({}, true);
    if (skip_symbol("=")) return make(at, Set{std::move(assigned), tuple()});
    ExpressionPtr filtered;
    if (at_symbol("|")) filtered = filters(captured(at), false);
    return make(at, SetBlock{std::move(assigned), std::move(filtered), block({"endset"})});
  }

  std::unique_ptr<const Statement> loop(int at) {
    next();
    For loop;
    loop.target = target("in", false);
    expect_name("in");
    loop.sequence = tuple(Condition::not_allowed);
    if (skip_name("if")) loop.test = expression();
    if (at_name("recursive")) fail("a loop that is 'recursive' is not supported");
    ++loops_;
    loop.body = block({"endfor", "else"});
    --loops_;
    if (next().text == "else") loop.otherwise = block({"endfor"});
    return make(at, std::move(loop));
  }

  std::unique_ptr<const Statement> condition(int at) {
    If condition;
    const bool around = std::exchange(conditional_, true);
    do {
      next();
      ExpressionPtr test = tuple(Condition::not_allowed);
      Body then = block({"endif", "elif", "else"}, true);
      condition.branches.emplace_back(std::move(test), std::move(then));
    } while (at_name("elif"));
    if (next().text == "else") condition.otherwise = block({"endif"}, true);
    conditional_ = around;
    return make(at, std::move(condition));
  }

  // Parameters and body of a macro, which loops around it do not reach into.
  std::shared_ptr<const MacroDefinition> definition(MacroDefinition macro, std::string_view end) {
    open_macros_.push_back(&macro);
    const int loops = std::exchange(loops_, 0);
    macro.body = block({end});
    loops_ = loops;
    open_macros_.pop_back();
    for (const Parameter& parameter : macro.parameters) {
      if (parameter.name == "caller") macro.uses_caller = false;
      if (parameter.name == "varargs") macro.uses_varargs = false;
      if (parameter.name == "kwargs") macro.uses_kwargs = false;
    }
    return std::make_shared<const MacroDefinition>(std::move(macro));
  }

  std::vector<Parameter> signature() {
    std::vector<Parameter> parameters;
    expect_symbol("(");
    while (!at_symbol(")")) {
      if (!parameters.empty()) expect_symbol(",");
      Parameter parameter{take_name(), nullptr};
      if (skip_symbol("=")) {
        parameter.otherwise = expression();
      } else if (!parameters.empty() && parameters.back().otherwise) {
        fail("a parameter without a default follows one with");
      }
      parameters.push_back(std::move(parameter));
    }
    expect_symbol(")");
    return parameters;
  }

  std::unique_ptr<const Statement> macro(int at) {
    next();
    MacroDefinition macro;
    macro.name = take_name();
    macro.parameters = signature();
    return make(at, Macro{definition(std::move(macro), "endmacro")});
  }

  std::unique_ptr<const Statement> call_block(int at) {
    next();
    MacroDefinition caller;
    caller.name = "caller";
    if (at_symbol("(")) caller.parameters = signature();
    ExpressionPtr call = expression();
    if (!std::holds_alternative<Call>(call->node)) fail("expected a call", at);
    return make(at, CallBlock{std::move(call), definition(std::move(caller), "endcall")});
  }

  std::unique_ptr<const Statement> filter_block(int at) {
    next();
    ExpressionPtr filtered = filters(captured(at), true);
    return make(at, FilterBlock{std::move(filtered), block({"endfilter"})});
  }

  std::unique_ptr<const Statement> leave_loop(int at) {
    const std::string word = next().text;
    if (loops_ == 0) fail("'" + word + "' stands outside of a loop", at);
    return word == "break" ? make(at, Break{}) : make(at, Continue{});
  }

  // Marks what a model is trained to produce; renders its body in a scope of its own, as a call block does.
  std::unique_ptr<const Statement> generation(int at) {
    next();
    const int loops = std::exchange(loops_, 0);
    Body inner = block({"endgeneration"});
    loops_ = loops;
    return make(at, Scoped{std::move(inner)});
  }

  bool conditional_ = false;  // the statement being read stands directly in an if
  int loops_ = 0;             // around the tag being read, within the innermost macro
};

}  // namespace

Body parse(std::string_view source, const TemplateLimits& limits) {
  return StatementParser(source, limits).run();
}

}  // namespace troupe::model::jinja
