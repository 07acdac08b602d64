// One rendering under way: what it has used of its limits, and the objects that it made.
// Owned by ChatTemplate::render, one thread.
#pragma once

#include <chrono>
#include <deque>
#include <memory>

#include "model/jinja/failure.hpp"
#include "model/jinja/limits.hpp"
#include "model/jinja/value.hpp"

namespace troupe::model::jinja {

class Render {
 public:
  using WallTime = std::chrono::system_clock::time_point;
  Render(const TemplateLimits& limits, WallTime now) : limits_(limits), now_(now) {}
  Render(const Render&) = delete;

  // All throw Failure when a limit is reached.
  void charge(std::size_t steps);
  void charge_text(std::size_t bytes) { charge(1 + bytes / 32); }
  void check_text(std::size_t bytes) const;  // the length that a string would have

  Value text(Text text);
  Value text(std::string_view bytes, bool plain = false) { return text(Text(bytes, plain)); }
  Value list(Values items, List::Kind kind = List::Kind::list);
  Value tuple(Values items) { return list(std::move(items), List::Kind::tuple); }
  // A later equal key replaces the value of an earlier.
  Value dict(std::vector<std::pair<Value, Value>> entries);
  Value generator(const Value& source, Generator::Next next);
  Value method(std::string_view name, Function function, Value self);

  template <class T, class... Args>
  T* make(Args&&... args) {
    charge(16);
    auto made = std::make_unique<T>(std::forward<Args>(args)...);
    T* object = made.get();
    objects_.push_back(std::move(made));
    return object;
  }

  const TemplateLimits& limits() const { return limits_; }
  WallTime now() const { return now_; }

  // One level of recursion, held while it lasts.
  class Level {
   public:
    explicit Level(Render& render);
    ~Level() { --render_.level_; }
    Level(const Level&) = delete;

   private:
    Render& render_;
  };

 private:
  void check_depth(int depth) const;

  const TemplateLimits& limits_;
  const WallTime now_;
  std::size_t steps_ = 0;
  int level_ = 0;
  std::deque<std::unique_ptr<Object>> objects_;
};

// A string in the making, held to the limits at each step.
class TextWriter {
 public:
  explicit TextWriter(Render& render) : render_(render) {}

  void append(std::string_view bytes, bool plain = false);
  void append(const Text& text) { append(text, 0, text.bytes.size()); }
  void append(const Text& text, std::size_t begin, std::size_t end);
  void set_markup(bool markup) { text_.markup = markup; }

  Render& render() { return render_; }
  std::size_t size() const { return text_.bytes.size(); }
  Text take() { return std::move(text_); }
  Value value() { return Value(std::make_shared<const Text>(std::move(text_))); }

 private:
  void grow(std::size_t bytes);

  Render& render_;
  Text text_;
};

}  // namespace troupe::model::jinja
