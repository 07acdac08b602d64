// From the words of a template to its tree. Used by one thread, for one template; throws SyntaxFailure.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "model/jinja/ast.hpp"
#include "model/jinja/lexer.hpp"
#include "model/jinja/limits.hpp"

namespace troupe::model::jinja {

// source: valid UTF-8.
Body parse(std::string_view source, const TemplateLimits& limits);

// What both halves of the grammar need: the words, and how deep they are in each other.
class TokenStream {
 public:
  TokenStream(std::string_view source, const TemplateLimits& limits)
      : tokens_(tokenize(source)), depth_limit_(limits.syntax_depth) {}

 protected:
  // One level of recursion, held while it lasts.
  class Level {
   public:
    explicit Level(TokenStream& stream) : stream_(stream) { stream_.check_depth(++stream_.level_); }
    ~Level() { --stream_.level_; }
    Level(const Level&) = delete;

   private:
    TokenStream& stream_;
  };

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  const Token& next();
  int line() const { return peek().line; }
  bool at(Token::Kind kind) const { return peek().kind == kind; }
  bool at_symbol(std::string_view symbol, std::size_t ahead = 0) const;
  bool at_name(std::string_view name, std::size_t ahead = 0) const;
  bool skip_symbol(std::string_view symbol);
  bool skip_name(std::string_view name);
  void expect(Token::Kind kind, std::string_view what);
  void expect_symbol(std::string_view symbol);
  void expect_name(std::string_view name);
  std::string take_name();

  void check_depth(int depth) const;
  [[noreturn]] void fail(const std::string& message) const { fail(message, line()); }
  [[noreturn]] void fail(const std::string& message, int line) const { throw SyntaxFailure{message, line}; }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_limit_;
  int level_ = 0;
};

// Levels of expressions within each other; 0 for a null pointer.
int depth_of(const ExpressionPtr& expression);
int depth_of(const Expressions& expressions);
int depth_of(const CallArguments& arguments);

class ExpressionParser : protected TokenStream {
 public:
  using TokenStream::TokenStream;

 protected:
  enum class Condition { allowed, not_allowed };  // whether "a if b else c" may stand there
  ExpressionPtr expression(Condition condition = Condition::allowed);
  // One expression, or a tuple of several without parentheses, up to the end of the tag.
  ExpressionPtr tuple(Condition condition = Condition::allowed);
  ExpressionPtr filters(ExpressionPtr value, bool first_has_no_pipe);  // | name(...) | ...
  ExpressionPtr captured(int line) { return make(line, Captured{}, {}); }

  // Filters and tests that nobody knows, since the statement began. jinja2 refuses them when it reads the
  // template, but those inside a condition only when they are reached.
  std::vector<SyntaxFailure> unknown_;
  // Macros whose bodies are being read: names of theirs that are special to macros get noted.
  std::vector<MacroDefinition*> open_macros_;

 private:
  // depths: those of the expressions within it.
  template <class Node>
  ExpressionPtr make(int line, Node node, std::initializer_list<int> depths) {
    auto expression = std::make_unique<Expression>();
    expression->node = std::move(node);
    expression->line = line;
    expression->depth = 1 + (depths.size() > 0 ? std::max(depths) : 0);
    check_depth(expression->depth);
    return expression;
  }

  ExpressionPtr conditional();
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters);
  ExpressionPtr primary();
  ExpressionPtr named_value();
  ExpressionPtr parenthesised();
  ExpressionPtr tuple_items(Condition condition, bool may_be_empty);
  ExpressionPtr list();
  ExpressionPtr mapping();
  ExpressionPtr postfix(ExpressionPtr value);
  ExpressionPtr filter_postfix(ExpressionPtr value);
  ExpressionPtr subscript(ExpressionPtr object);
  ExpressionPtr bracketed(ExpressionPtr object);
  ExpressionPtr call(ExpressionPtr callee);
  ExpressionPtr test(ExpressionPtr value);
  CallArguments arguments();
  void note_unknown(Function found, std::string_view what, const std::string& name, int line);
  std::string dotted_name();
};

}  // namespace troupe::model::jinja
