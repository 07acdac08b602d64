#include "model/jinja/sequence.hpp"

#include <algorithm>

#include "model/jinja/compare.hpp"
#include "model/jinja/methods.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/unicode.hpp"

namespace troupe::model::jinja {
namespace {

std::string quoted(std::string_view name) {
  return "'" + std::string(name) + "'";
}

// Where a slice begins, ends and how many elements it has, as Python's slice.indices(length).
struct Span {
  std::int64_t begin, end, step, count;
};

Span resolve(std::int64_t length, std::optional<Int> begin, std::optional<Int> end, std::optional<Int> step) {
  constexpr Int far = Int(1) << 62;
  const Int by = std::clamp<Int>(step.value_or(1), -far, far);
  if (by == 0) throw Failure("slices with a step of zero");
  const Int low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
  const auto place = [&](Int at) { return std::clamp<Int>(at < 0 ? at + length : at, low, high); };
  const Int from = begin ? place(std::clamp<Int>(*begin, -far, far)) : by < 0 ? high : low;
  const Int to = end ? place(std::clamp<Int>(*end, -far, far)) : by < 0 ? low : high;
  const Int distance = by < 0 ? from - to : to - from;
  const Int count = distance <= 0 ? 0 : (distance - 1) / (by < 0 ? -by : by) + 1;
  return {std::int64_t(from), std::int64_t(to), std::int64_t(by), std::int64_t(count)};
}

Value slice_text(Render& render, const Text& text, std::optional<Int> begin, std::optional<Int> end,
                 std::optional<Int> step) {
  render.charge_text(text.bytes.size());
  const Span span = resolve(std::int64_t(count_code_points(text.bytes)), begin, end, step);
  if (span.step == 1) {
    const std::size_t first = byte_of(text.bytes, std::size_t(span.begin));
    const std::size_t size = byte_of(std::string_view(text.bytes).substr(first), std::size_t(span.count));
    return render.text(text.slice(first, first + size));
  }
  std::vector<std::size_t> starts;
  for (std::size_t at = 0; at < text.bytes.size(); at += decode(text.bytes, at).size) starts.push_back(at);
  TextWriter out(render);
  out.set_markup(text.markup);
  for (std::int64_t i = 0, at = span.begin; i < span.count; ++i, at += span.step) {
    const std::size_t from = starts[std::size_t(at)];
    out.append(text, from, from + decode(text.bytes, from).size);
  }
  return out.value();
}

// The element at an index, negative ones from the end; nullopt past the ends.
std::optional<Value> at_index(Render& render, const Value& value, Int index) {
  const auto place = [&](std::size_t count) -> std::optional<std::size_t> {
    const Int at = index < 0 ? index + Int(count) : index;
    return at < 0 || at >= Int(count) ? std::nullopt : std::optional(std::size_t(at));
  };
  if (const List* list = value.list(); list && list->indexable()) {
    if (const auto at = place(list->items.size())) return list->items[*at];
  } else if (const Range* range = value.range()) {
    if (const auto at = place(std::size_t(range->length())))
      return Value(range->start + Int(*at) * range->step);
  } else if (const Text* text = value.text()) {
    render.charge_text(text->bytes.size());
    if (const auto at = place(count_code_points(text->bytes))) {
      const std::size_t from = byte_of(text->bytes, *at);
      return render.text(text->slice(from, from + decode(text->bytes, from).size));
    }
  }
  return std::nullopt;
}

bool hashable(const Value& key) {
  const List* list = key.list();
  if (list && list->tuple()) return std::all_of(list->items.begin(), list->items.end(), hashable);
  return !list && !key.dict();
}

std::optional<Value> subscript(Render& render, const Value& value, const Value& key) {
  if (const Dict* dict = value.dict()) {
    const Value* found = hashable(key) ? find(render, *dict, key) : nullptr;
    return found ? std::optional(*found) : std::nullopt;
  }
  const auto index = as_int(key);
  return index ? at_index(render, value, *index) : std::nullopt;
}

}  // namespace

void fail_undefined(const Undefined& undefined) {
  switch (undefined.why) {
    case Undefined::Why::variable:
      throw Failure(quoted(undefined.name) + " is undefined");
    case Undefined::Why::unsafe:
      throw Failure("access to attribute " + quoted(undefined.name) + " of " + quoted(undefined.owner) +
                    " is unsafe");
    case Undefined::Why::hint:
      throw Failure(std::string(undefined.name));
    case Undefined::Why::member:
      break;
  }
  const std::string what =
      undefined.name.empty() ? "such item" : "attribute or item " + quoted(undefined.name);
  throw Failure("a value of type " + quoted(undefined.owner) + " has no " + what);
}

bool iterable(const Value& value) {
  return value.text() || value.list() || value.dict() || value.range() || value.generator() ||
         value.undefined();
}

Generator::Next iterate(Render& render, const Value& value) {
  if (!iterable(value)) throw Failure("iterates over a value of type " + quoted(type_name(value)));
  // The closure holds the value, and so keeps what it walks over.
  return [&render, value, at = std::size_t(0)]() mutable -> std::optional<Value> {
    render.charge(1);
    if (Generator* generator = value.generator()) {
      const Render::Level level(render);
      return generator->next();
    }
    if (const List* list = value.list())
      return at < list->items.size() ? std::optional(list->items[at++]) : std::nullopt;
    if (const Dict* dict = value.dict()) {
      return at < dict->entries.size() ? std::optional(dict->entries[at++].first) : std::nullopt;
    }
    if (const Range* range = value.range()) {
      if (std::int64_t(at) >= range->length()) return std::nullopt;
      return Value(range->start + Int(at++) * range->step);
    }
    const Text* text = value.text();
    if (!text || at >= text->bytes.size()) return std::nullopt;
    const std::size_t from = std::exchange(at, at + decode(text->bytes, at).size);
    return render.text(text->slice(from, at));
  };
}

Values elements(Render& render, const Value& value) {
  if (const List* list = value.list()) {
    render.charge(2 * list->items.size());
    return list->items;
  }
  Values all;
  const Generator::Next next = iterate(render, value);
  while (auto element = next()) {
    render.charge(1);
    all.push_back(std::move(*element));
  }
  return all;
}

std::optional<std::size_t> length(const Value& value) {
  if (const Text* text = value.text()) return count_code_points(text->bytes);
  if (const List* list = value.list()) return list->items.size();
  if (const Dict* dict = value.dict()) return dict->entries.size();
  if (const Range* range = value.range()) return std::size_t(range->length());
  if (value.undefined()) return 0;
  return std::nullopt;
}

bool mapping(const Value& value) {
  return value.dict() != nullptr;
}

std::optional<Value> member(Render& render, const Value& value, std::string_view name) {
  if (Object* object = value.object()) return object->attribute(render, name);
  if (name.starts_with('_') || changes_its_object(value, name)) {
    return Value(Undefined{Undefined::Why::unsafe, name, type_name(value)});
  }
  if (const NamedFunction* method = find_method(value, name))
    return render.method(method->name, method->function, value);
  return std::nullopt;
}

Value attribute(Render& render, const Value& value, std::string_view name) {
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  // Names that begin so are Python's own; a dict may still have them as keys.
  if (!name.starts_with('_')) {
    if (auto found = member(render, value, name)) return *found;
  }
  if (const Dict* dict = value.dict()) {
    if (const Value* found = find(*dict, name)) return *found;
  }
  return Undefined{Undefined::Why::member, name, type_name(value)};
}

Value item(Render& render, const Value& value, const Value& key, std::string_view name) {
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  if (auto found = subscript(render, value, key)) return *found;
  if (const Text* text = key.text(); text && !text->bytes.starts_with('_')) {
    if (auto found = member(render, value, text->bytes)) {
      if (!found->undefined()) return *found;
    }
  }
  return Undefined{Undefined::Why::member, name, type_name(value)};
}

Value slice(Render& render, const Value& value, std::optional<Int> begin, std::optional<Int> end,
            std::optional<Int> step) {
  if (value.undefined()) fail_undefined(value.get<Undefined>());
  if (const Text* text = value.text()) return slice_text(render, *text, begin, end, step);
  if (const List* list = value.list(); list && list->indexable()) {
    const Span span = resolve(std::int64_t(list->items.size()), begin, end, step);
    render.charge(std::size_t(span.count));
    Values part;
    for (std::int64_t i = 0, at = span.begin; i < span.count; ++i, at += span.step)
      part.push_back(list->items[at]);
    return render.list(std::move(part), list->tuple() ? List::Kind::tuple : List::Kind::list);
  }
  if (const Range* range = value.range()) {
    const Span span = resolve(range->length(), begin, end, step);
    return Range{range->start + span.begin * range->step, range->start + span.end * range->step,
                 range->step * span.step};
  }
  throw Failure("slices a value of type " + quoted(type_name(value)));
}

}  // namespace troupe::model::jinja
