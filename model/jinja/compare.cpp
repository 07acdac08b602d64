#include "model/jinja/compare.hpp"

#include <algorithm>
#include <cmath>

#include "model/jinja/numbers.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

// Integers that a double holds without loss compare as integers, others as doubles.
int compare_int_double(Int a, double b) {
  if (std::isinf(b)) return b > 0 ? -1 : 1;
  if (std::abs(b) >= 0x1p126) return b > 0 ? -1 : 1;
  const Int whole = Int(std::floor(b));
  if (a != whole) return a < whole ? -1 : 1;
  return b > std::floor(b) ? -1 : 0;
}

bool equal_numbers(const Value& left, const Value& right) {
  const auto a = as_int(left), b = as_int(right);
  if (a && b) return *a == *b;
  const double x = *as_double(left), y = *as_double(right);
  if (std::isnan(x) || std::isnan(y)) return false;
  if (a) return compare_int_double(*a, y) == 0;
  if (b) return compare_int_double(*b, x) == 0;
  return x == y;
}

bool less_numbers(const Value& left, const Value& right) {
  const auto a = as_int(left), b = as_int(right);
  if (a && b) return *a < *b;
  const double x = *as_double(left), y = *as_double(right);
  if (std::isnan(x) || std::isnan(y)) return false;
  if (a) return compare_int_double(*a, y) < 0;
  if (b) return compare_int_double(*b, x) > 0;
  return x < y;
}

bool equal_lists(Render& render, const List& left, const List& right) {
  const bool views = !left.indexable() && left.kind != List::Kind::values && left.kind == right.kind;
  if (!views && !(left.kind == right.kind && left.kind == List::Kind::list) &&
      !(left.tuple() && right.tuple())) {
    return false;
  }
  return std::equal(left.items.begin(), left.items.end(), right.items.begin(), right.items.end(),
                    [&](const Value& a, const Value& b) { return identical(a, b) || equal(render, a, b); });
}

bool equal_dicts(Render& render, const Dict& left, const Dict& right) {
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, at] : left.index) {
    const auto other = right.index.find(key);
    if (other == right.index.end()) return false;
    const Value &a = left.entries[at].second, &b = right.entries[other->second].second;
    if (!identical(a, b) && !equal(render, a, b)) return false;
  }
  return true;
}

bool equal_ranges(const Range& a, const Range& b) {
  if (a.length() != b.length()) return false;
  return a.length() == 0 || (a.start == b.start && (a.length() == 1 || a.step == b.step));
}

std::string types_of(const Value& left, const Value& right) {
  return "'" + std::string(type_name(left)) + "' and '" + std::string(type_name(right)) + "'";
}

}  // namespace

bool truth(const Value& value) {
  if (value.is<bool>()) return value.get<bool>();
  if (value.is<Int>()) return value.get<Int>() != 0;
  if (value.is<double>()) return value.get<double>() != 0;
  if (const Text* text = value.text()) return !text->bytes.empty();
  if (value.none()) return false;
  return length(value).value_or(1) != 0;
}

bool identical(const Value& left, const Value& right) {
  if (left.data.index() != right.data.index()) return false;
  if (left.none()) return true;
  if (left.is<bool>()) return left.get<bool>() == right.get<bool>();
  if (left.is<Int>()) return left.get<Int>() == right.get<Int>();
  if (left.text()) return left.text() == right.text();
  if (left.list()) return left.list() == right.list();
  if (left.dict()) return left.dict() == right.dict();
  if (left.generator()) return left.generator() == right.generator();
  if (left.method()) return left.method() == right.method();
  return left.object() && left.object() == right.object();
}

bool equal(Render& render, const Value& left, const Value& right) {
  render.charge(1);
  if (is_number(left) && is_number(right)) return equal_numbers(left, right);
  if (left.data.index() != right.data.index()) return false;
  if (left.undefined() || left.none()) return true;
  const Render::Level level(render);
  if (const Text* text = left.text()) {
    render.charge_text(text->bytes.size());
    return text->bytes == right.text()->bytes;
  }
  if (left.list()) return equal_lists(render, *left.list(), *right.list());
  if (left.dict()) return equal_dicts(render, *left.dict(), *right.dict());
  if (left.range()) return equal_ranges(*left.range(), *right.range());
  if (const Method* method = left.method()) {
    return method->function == right.method()->function && identical(method->self, right.method()->self);
  }
  return identical(left, right);
}

bool less(Render& render, const Value& left, const Value& right) {
  render.charge(1);
  for (const Value* side : {&left, &right}) {
    if (side->undefined()) fail_undefined(side->get<Undefined>());
  }
  if (is_number(left) && is_number(right)) return less_numbers(left, right);
  if (left.text() && right.text()) {
    render.charge_text(left.text()->bytes.size());
    return left.text()->bytes < right.text()->bytes;  // bytes of UTF-8 sort as code points do
  }
  const List *a = left.list(), *b = right.list();
  const bool comparable =
      a && b && ((a->tuple() && b->tuple()) || (a->kind == List::Kind::list && b->kind == List::Kind::list));
  if (!comparable) throw Failure("compares values of types " + types_of(left, right));
  const Render::Level level(render);
  for (std::size_t i = 0; i < a->items.size() && i < b->items.size(); ++i) {
    if (!identical(a->items[i], b->items[i]) && !equal(render, a->items[i], b->items[i])) {
      return less(render, a->items[i], b->items[i]);
    }
  }
  return a->items.size() < b->items.size();
}

bool contains(Render& render, const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    if (item.undefined()) fail_undefined(item.get<Undefined>());
    const Text* part = item.text();
    if (!part) throw Failure("looks for a value of type '" + std::string(type_name(item)) + "' in a string");
    render.charge_text(text->bytes.size());
    return text->bytes.find(part->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return find(render, *dict, item) != nullptr;
  const Generator::Next next = iterate(render, container);
  while (const auto element = next()) {
    if (identical(*element, item) || equal(render, *element, item)) return true;
  }
  return false;
}

std::string hash_key(Render& render, const Value& value) {
  render.charge(1);
  if (const Text* text = value.text()) return 's' + text->bytes;
  if (const auto whole = as_int(value)) return 'i' + to_string(*whole);
  if (value.is<double>()) {
    const double x = value.get<double>();
    const bool integral = std::abs(x) < 0x1p126 && x == std::floor(x);
    return integral ? 'i' + to_string(Int(x)) : 'f' + repr(x);
  }
  if (value.none()) return "n";
  if (value.undefined()) return "u";
  if (const List* list = value.list(); list && list->tuple()) {
    const Render::Level level(render);
    std::string key = "t";
    for (const Value& item : list->items) {
      const std::string part = hash_key(render, item);
      render.check_text(key.size() + part.size());
      render.charge_text(part.size());
      key += std::to_string(part.size()) + ':' + part;
    }
    return key;
  }
  if (const Range* range = value.range()) {
    return "r" + std::to_string(range->start) + ',' + std::to_string(range->length()) + ',' +
           std::to_string(range->step);
  }
  if (value.list() || value.dict()) {
    throw Failure("uses a value of type '" + std::string(type_name(value)) + "' as a key");
  }
  const void* identity = value.object()      ? static_cast<const void*>(value.object())
                         : value.generator() ? static_cast<const void*>(value.generator())
                                             : static_cast<const void*>(value.method());
  return "p" + std::to_string(reinterpret_cast<std::uintptr_t>(identity));
}

const Value* find(Render& render, const Dict& dict, const Value& key) {
  const auto place = dict.index.find(hash_key(render, key));
  return place == dict.index.end() ? nullptr : &dict.entries[place->second].second;
}

const Value* find(const Dict& dict, std::string_view key) {
  const auto place = dict.index.find('s' + std::string(key));
  return place == dict.index.end() ? nullptr : &dict.entries[place->second].second;
}

}  // namespace troupe::model::jinja
