#include "model/jinja/parser.hpp"

namespace troupe::model::jinja {

const Token& TokenStream::next() {
  const Token& token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool TokenStream::at_symbol(std::string_view symbol, std::size_t ahead) const {
  return peek(ahead).kind == Token::Kind::symbol && peek(ahead).text == symbol;
}

bool TokenStream::at_name(std::string_view name, std::size_t ahead) const {
  return peek(ahead).kind == Token::Kind::name && peek(ahead).text == name;
}

bool TokenStream::skip_symbol(std::string_view symbol) {
  const bool there = at_symbol(symbol);
  if (there) next();
  return there;
}

bool TokenStream::skip_name(std::string_view name) {
  const bool there = at_name(name);
  if (there) next();
  return there;
}

void TokenStream::expect(Token::Kind kind, std::string_view what) {
  if (!at(kind)) fail("expected " + std::string(what));
  next();
}

void TokenStream::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol)) fail("expected '" + std::string(symbol) + "'");
}

void TokenStream::expect_name(std::string_view name) {
  if (!skip_name(name)) fail("expected '" + std::string(name) + "'");
}

std::string TokenStream::take_name() {
  if (!at(Token::Kind::name)) fail("expected a name");
  return next().text;
}

void TokenStream::check_depth(int depth) const {
  if (depth > depth_limit_) fail("the template nests deeper than " + std::to_string(depth_limit_));
}

}  // namespace troupe::model::jinja
