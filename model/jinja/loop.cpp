#include "model/jinja/loop.hpp"

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

LoopState& loop_of(const Value& self) {
  return *static_cast<LoopState*>(self.object());
}

Value call_cycle(Render&, const Value& self, const Arguments& arguments) {
  return loop_of(self).cycle(arguments.positional);
}

Value call_changed(Render& render, const Value& self, const Arguments& arguments) {
  return Value(loop_of(self).changed(render, arguments.positional));
}

Value missing(std::string_view hint) {
  return Undefined{Undefined::Why::hint, hint, {}};
}

}  // namespace

LoopState::LoopState(Interpreter& interpreter, Render& render, const For& loop, std::shared_ptr<Scope> around,
                     const Value& sequence, int depth0)
    : interpreter_(interpreter),
      loop_(loop),
      around_(std::move(around)),
      source_(iterate(render, sequence)),
      length_(loop.test ? std::nullopt : jinja::length(sequence)),
      depth0_(depth0) {}

std::optional<Value> LoopState::pull() {
  while (auto element = source_()) {
    if (interpreter_.passes(loop_, around_, *element)) return element;
  }
  return std::nullopt;
}

const Value* LoopState::peek() {
  if (ahead_.empty()) {
    auto element = pull();
    if (!element) return nullptr;
    ahead_.push_back(std::move(*element));
  }
  return &ahead_.front();
}

std::optional<Value> LoopState::advance() {
  if (!peek()) return std::nullopt;
  ++passes_;
  before_ = std::exchange(current_, std::move(ahead_.front()));
  ahead_.pop_front();
  return current_;
}

std::size_t LoopState::length() {
  if (!length_) {
    while (auto element = pull()) ahead_.push_back(std::move(*element));
    length_ = passes_ + ahead_.size();
  }
  return *length_;
}

std::optional<Value> LoopState::attribute(Render& render, std::string_view name) {
  const auto number = [](std::size_t value) { return Value(Int(value)); };
  if (name == "index") return number(passes_);
  if (name == "index0") return number(passes_ - 1);
  if (name == "first") return Value(passes_ == 1);
  if (name == "last") return Value(peek() == nullptr);
  if (name == "length") return number(length());
  if (name == "revindex") return number(length() - passes_ + 1);
  if (name == "revindex0") return number(length() - passes_);
  if (name == "depth") return number(std::size_t(depth0_) + 1);
  if (name == "depth0") return number(std::size_t(depth0_));
  if (name == "previtem") return passes_ == 1 ? missing("there is no previous item") : *before_;
  if (name == "nextitem") return peek() ? *peek() : missing("there is no next item");
  if (name == "cycle") return render.method("cycle", call_cycle, Value(this));
  if (name == "changed") return render.method("changed", call_changed, Value(this));
  return std::nullopt;
}

Value LoopState::call(Render&, const Arguments& arguments) {
  if (!loop_.recursive) throw Failure("the loop must have the 'recursive' marker to be called");
  const Parameters given("loop", arguments, {"iterable"}, 1);
  return interpreter_.call_loop(loop_, around_, *given[0], depth0_ + 1);
}

void LoopState::print(TextWriter& out) {
  out.append("<LoopContext " + std::to_string(passes_) + "/" + std::to_string(length()) + ">");
}

bool LoopState::changed(Render& render, const Values& values) {
  const auto same = [&](const Value& a, const Value& b) { return identical(a, b) || equal(render, a, b); };
  if (asked_ && std::equal(asked_->begin(), asked_->end(), values.begin(), values.end(), same)) return false;
  asked_ = values;
  return true;
}

Value LoopState::cycle(const Values& values) const {
  if (values.empty()) throw Failure("loop.cycle() has nothing to choose from");
  return values[(passes_ - 1) % values.size()];
}

}  // namespace troupe::model::jinja
