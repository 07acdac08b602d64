#include "model/jinja/render.hpp"

#include <algorithm>

#include "model/jinja/compare.hpp"

namespace troupe::model::jinja {
namespace {

int depth_of(const Value& value) {
  if (const List* list = value.list()) return list->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  if (const Generator* generator = value.generator()) return generator->depth;
  if (const Method* method = value.method()) return depth_of(method->self) + 1;
  return 0;
}

}  // namespace

void Render::charge(std::size_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps) throw Failure("takes more than " + std::to_string(limits_.steps) + " steps");
}

void Render::check_text(std::size_t bytes) const {
  if (bytes > limits_.text_bytes) {
    throw Failure("makes a string of more than " + std::to_string(limits_.text_bytes) + " bytes");
  }
}

void Render::check_depth(int depth) const {
  if (depth > limits_.value_depth) {
    throw Failure("nests values deeper than " + std::to_string(limits_.value_depth));
  }
}

Value Render::text(Text text) {
  check_text(text.bytes.size());
  charge_text(text.bytes.size());
  return Value(std::make_shared<const Text>(std::move(text)));
}

Value Render::list(Values items, List::Kind kind) {
  charge(1 + 2 * items.size());
  List list{kind, std::move(items), 0};
  for (const Value& item : list.items) list.depth = std::max(list.depth, depth_of(item));
  check_depth(++list.depth);
  return Value(std::make_shared<const List>(std::move(list)));
}

Value Render::dict(std::vector<std::pair<Value, Value>> entries) {
  charge(1 + 4 * entries.size());
  Dict dict{{}, {}, 0};
  for (auto& [key, value] : entries) {
    dict.depth = std::max({dict.depth, depth_of(key), depth_of(value)});
    const auto [place, added] = dict.index.try_emplace(hash_key(*this, key), dict.entries.size());
    if (added) {
      dict.entries.emplace_back(std::move(key), std::move(value));
    } else {
      dict.entries[place->second].second = std::move(value);
    }
  }
  check_depth(++dict.depth);
  return Value(std::make_shared<const Dict>(std::move(dict)));
}

Value Render::generator(const Value& source, Generator::Next next) {
  charge(4);
  const int depth = depth_of(source) + 1;
  check_depth(depth);
  return Value(std::make_shared<Generator>(std::move(next), depth));
}

Value Render::method(std::string_view name, Function function, Value self) {
  charge(4);
  check_depth(depth_of(self) + 1);
  return Value(std::make_shared<const Method>(Method{name, function, std::move(self)}));
}

Render::Level::Level(Render& render) : render_(render) {
  if (++render_.level_ > render_.limits_.call_depth) {
    --render_.level_;
    throw Failure("nests calls deeper than " + std::to_string(render_.limits_.call_depth));
  }
}

void TextWriter::grow(std::size_t bytes) {
  render_.check_text(text_.bytes.size() + bytes);
  render_.charge_text(bytes);
}

void TextWriter::append(std::string_view bytes, bool plain) {
  grow(bytes.size());
  text_.append(bytes, plain);
}

void TextWriter::append(const Text& text, std::size_t begin, std::size_t end) {
  grow(end - begin);
  text_.append(text, begin, end);
}

}  // namespace troupe::model::jinja
