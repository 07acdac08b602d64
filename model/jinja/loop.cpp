#include "model/jinja/loop.hpp"

#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

Value missing(std::string_view hint) {
  return Undefined{Undefined::Why::hint, hint, {}};
}

}  // namespace

LoopState::LoopState(Interpreter& interpreter, Render& render, const For& loop, std::shared_ptr<Scope> around,
                     const Value& sequence)
    : interpreter_(interpreter),
      loop_(loop),
      around_(std::move(around)),
      source_(iterate(render, sequence)),
      length_(loop.test ? std::nullopt : jinja::length(sequence)) {}

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

std::optional<Value> LoopState::attribute(Render&, std::string_view name) {
  const auto number = [](std::size_t value) { return Value(Int(value)); };
  if (name == "index") return number(passes_);
  if (name == "index0") return number(passes_ - 1);
  if (name == "first") return Value(passes_ == 1);
  if (name == "last") return Value(peek() == nullptr);
  if (name == "length") return number(length());
  if (name == "revindex") return number(length() - passes_ + 1);
  if (name == "revindex0") return number(length() - passes_);
  if (name == "previtem") return passes_ == 1 ? missing("there is no previous item") : *before_;
  if (name == "nextitem") return peek() ? *peek() : missing("there is no next item");
  throw Failure("'loop." + std::string(name) + "' is not supported");
}

void LoopState::print(TextWriter& out) {
  out.append("<LoopContext " + std::to_string(passes_) + "/" + std::to_string(length()) + ">");
}

}  // namespace troupe::model::jinja
