#include "model/jinja/methods.hpp"

#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"

namespace troupe::model::jinja {
namespace {

Value copy(Render&, const Value& self, const Arguments& arguments) {
  Parameters("copy", arguments, {});
  return self;  // nothing can tell them apart: both never change
}

Value list_count(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("count", arguments, {"value"}, 1);
  Int times = 0;
  for (const Value& item : self.list()->items) times += equal(render, item, *given[0]);
  return Value(times);
}

Value list_index(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("index", arguments, {"value", "start", "stop"}, 1);
  const Values& items = self.list()->items;
  const Int count = Int(items.size());
  const auto place = [&](Int at) { return std::clamp<Int>(at < 0 ? at + count : at, 0, count); };
  for (Int at = place(given.integer(1, 0)); at < place(given.integer(2, count)); ++at) {
    if (equal(render, items[std::size_t(at)], *given[0])) return Value(at);
  }
  throw Failure("index() does not find its value");
}

Value dict_get(Render& render, const Value& self, const Arguments& arguments) {
  const Parameters given("get", arguments, {"key", "default"}, 1);
  if (const Value* found = find(render, *self.dict(), *given[0])) return *found;
  return given[1] ? *given[1] : Value(None{});
}

template <List::Kind kind>
Value view(Render& render, const Value& self, const Arguments& arguments) {
  Parameters("items, keys or values", arguments, {});
  Values items;
  for (const auto& [key, value] : self.dict()->entries) {
    items.push_back(kind == List::Kind::keys     ? key
                    : kind == List::Kind::values ? value
                                                 : render.tuple({key, value}));
  }
  return render.list(std::move(items), kind);
}

constexpr NamedFunction tuple_methods[] = {{"count", list_count}, {"index", list_index}};
constexpr NamedFunction list_methods[] = {{"copy", copy}, {"count", list_count}, {"index", list_index}};
constexpr NamedFunction dict_methods[] = {{"copy", copy},
                                          {"get", dict_get},
                                          {"items", view<List::Kind::items>},
                                          {"keys", view<List::Kind::keys>},
                                          {"values", view<List::Kind::values>}};

template <std::size_t count>
const NamedFunction* find_in(const NamedFunction (&table)[count], std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [name](const NamedFunction& method) { return method.name == name; });
  return found == std::end(table) ? nullptr : found;
}

template <std::size_t count>
bool names(const std::string_view (&table)[count], std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

}  // namespace

const NamedFunction* find_method(const Value& value, std::string_view name) {
  if (value.text()) return find_string_method(name);
  if (value.dict()) return find_in(dict_methods, name);
  const List* list = value.list();
  if (!list || !list->indexable()) return nullptr;
  return list->tuple() ? find_in(tuple_methods, name) : find_in(list_methods, name);
}

bool changes_its_object(const Value& value, std::string_view name) {
  static constexpr std::string_view of_list[] = {"append", "clear",  "extend",  "insert",
                                                 "pop",    "remove", "reverse", "sort"};
  static constexpr std::string_view of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (value.dict()) return names(of_dict, name);
  return value.list() && value.list()->kind == List::Kind::list && names(of_list, name);
}

}  // namespace troupe::model::jinja
