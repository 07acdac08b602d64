// The values of a template under evaluation, as Python has them. Lists and dicts never change once made.
// Owned by one rendering, but constants of a template, which many threads read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "model/jinja/text.hpp"

namespace troupe::model::jinja {

using Int = __int128;  // holds every integer that JSON readers give; more is an overflow error

class Render;
class TextWriter;
class Object;
struct List;
struct Dict;
struct Method;
class Generator;

// What a missing thing gives: prints as nothing, fails
// when it is used. Views are into the template or static.
struct Undefined {
  enum class Why { variable, member, unsafe, hint } why = Why::variable;
  // What was missing, empty for a key that the template computed; a hint's whole message.
  std::string_view name;
  std::string_view owner;  // type of the object that lacks it
};

struct None {};

// range(start, stop, step)
struct Range {
  std::int64_t start = 0;
  std::int64_t stop = 0;
  std::int64_t step = 1;  // not 0
  std::int64_t length() const {
    const std::int64_t span = step > 0 ? stop - start : start - stop;
    return span <= 0 ? 0 : (span - 1) / (step > 0 ? step : -step) + 1;
  }
};

struct Value {
  using Data = std::variant<Undefined, None, bool, Int, double, std::shared_ptr<const Text>,
                            std::shared_ptr<const List>, std::shared_ptr<const Dict>, Range,
                            std::shared_ptr<Generator>, std::shared_ptr<const Method>, Object*>;
  Data data;
  bool plain = false;  // a bool, number or none that came from the caller's data, or was computed from such

  Value() = default;
  Value(Undefined x) : data(x) {}
  Value(None x) : data(x) {}
  explicit Value(bool x, bool is_plain = false) : data(x), plain(is_plain) {}
  explicit Value(Int x, bool is_plain = false) : data(x), plain(is_plain) {}
  explicit Value(double x, bool is_plain = false) : data(x), plain(is_plain) {}
  Value(std::shared_ptr<const Text> x) : data(std::move(x)) {}
  Value(std::shared_ptr<const List> x) : data(std::move(x)) {}
  Value(std::shared_ptr<const Dict> x) : data(std::move(x)) {}
  Value(Range x) : data(x) {}
  Value(std::shared_ptr<Generator> x) : data(std::move(x)) {}
  Value(std::shared_ptr<const Method> x) : data(std::move(x)) {}
  Value(Object* x) : data(x) {}

  template <class T>
  bool is() const {
    return std::holds_alternative<T>(data);
  }
  template <class T>
  const T& get() const {
    return std::get<T>(data);
  }
  bool undefined() const { return is<Undefined>(); }
  bool none() const { return is<None>(); }
  // Null where the value is of another type.
  const Text* text() const { return pointer<std::shared_ptr<const Text>>(); }
  const List* list() const { return pointer<std::shared_ptr<const List>>(); }
  const Dict* dict() const { return pointer<std::shared_ptr<const Dict>>(); }
  Generator* generator() const { return pointer<std::shared_ptr<Generator>>(); }
  const Method* method() const { return pointer<std::shared_ptr<const Method>>(); }
  Object* object() const { return is<Object*>() ? get<Object*>() : nullptr; }
  const Range* range() const { return std::get_if<Range>(&data); }

 private:
  template <class Pointer>
  auto pointer() const -> decltype(std::declval<const Pointer&>().get()) {
    const Pointer* held = std::get_if<Pointer>(&data);
    return held ? held->get() : nullptr;
  }
};

using Values = std::vector<Value>;

struct Arguments {
  Values positional;
  std::vector<std::pair<Text, Value>> named;  // by names of the template's, or of a mapping's behind **
};

struct List {
  enum class Kind { list, tuple, keys, values, items };  // the last three: views of a dict
  Kind kind = Kind::list;
  Values items;
  int depth = 1;  // of containers within each other
  bool tuple() const { return kind == Kind::tuple; }
  bool indexable() const { return kind == Kind::list || tuple(); }
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;        // in order of insertion; keys are hashable
  std::unordered_map<std::string, std::size_t> index;  // hash_key(key) to its place
  int depth = 1;
};

// Gives its elements once, each when asked.
class Generator {
 public:
  using Next = std::function<std::optional<Value>()>;
  Generator(Next next, int depth) : depth(depth), next_(std::move(next)) {}
  std::optional<Value> next() { return next_(); }
  const int depth;

 private:
  Next next_;
};

using Function = Value (*)(Render&, const Value& self, const Arguments&);

// A method of a string or dict, bound to it.
struct Method {
  std::string_view name;
  Function function;
  Value self;
};

// What has identity: namespaces, macros, loops, global functions. Owned by its Render.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::string_view type_name() const = 0;
  virtual std::optional<Value> attribute(Render&, std::string_view) { return std::nullopt; }
  virtual bool callable() const { return false; }
  virtual Value call(Render&, const Arguments&);  // throws Failure unless overridden
  virtual void print(TextWriter& out);            // <the type>, unless overridden
};

// The name that Python gives the type.
std::string_view type_name(const Value& value);

}  // namespace troupe::model::jinja
