// The variable `loop` of a for loop, which also walks its sequence: an element is looked at when it is
// needed, so that a filtering loop sees what earlier passes did. Owned by its Render.
#pragma once

#include <deque>

#include "model/jinja/interpreter.hpp"

namespace troupe::model::jinja {

class LoopState final : public Object {
 public:
  LoopState(Interpreter& interpreter, Render& render, const For& loop, std::shared_ptr<Scope> around,
            const Value& sequence);

  // The next element that passes the loop's test; nullopt at the end.
  std::optional<Value> advance();

  std::string_view type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(Render&, std::string_view name) override;
  void print(TextWriter& out) override;

 private:
  std::optional<Value> pull();
  const Value* peek();
  std::size_t length();

  Interpreter& interpreter_;
  const For& loop_;
  const std::shared_ptr<Scope> around_;
  const Generator::Next source_;
  std::optional<std::size_t> length_;
  std::size_t passes_ = 0;   // begun so far: loop.index
  std::deque<Value> ahead_;  // pulled and not yet given
  std::optional<Value> before_, current_;
};

}  // namespace troupe::model::jinja
