// The variable `loop` of a for loop, which also walks its sequence: an element is looked at when it is
// needed, so that a filtering loop sees what earlier passes did. Owned by its Render.
#pragma once

#include <deque>

#include "model/jinja/interpreter.hpp"

namespace troupe::model::jinja {

class LoopState final : public Object {
 public:
  LoopState(Interpreter& interpreter, Render& render, const For& loop, std::shared_ptr<Scope> around,
            const Value& sequence, int depth0);

  // The next element that passes the loop's test; nullopt at the end.
  std::optional<Value> advance();

  std::string_view type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(Render& render, std::string_view name) override;
  bool callable() const override { return true; }
  Value call(Render&, const Arguments& arguments) override;
  void print(TextWriter& out) override;

  // True if it was last asked about other values.
  bool changed(Render& render, const Values& values);
  Value cycle(const Values& values) const;

 private:
  std::optional<Value> pull();
  const Value* peek();
  std::size_t length();

  Interpreter& interpreter_;
  const For& loop_;
  const std::shared_ptr<Scope> around_;
  const Generator::Next source_;
  std::optional<std::size_t> length_;
  const int depth0_;
  std::size_t passes_ = 0;   // begun so far: loop.index
  std::deque<Value> ahead_;  // pulled and not yet given
  std::optional<Value> before_, current_;
  std::optional<Values> asked_;  // what changed() saw last
};

}  // namespace troupe::model::jinja
