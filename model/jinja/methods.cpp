#include "model/jinja/methods.hpp"

#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"

namespace troupe::model::jinja {
namespace {

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

constexpr NamedFunction dict_methods[] = {{"get", dict_get},
                                          {"items", view<List::Kind::items>},
                                          {"keys", view<List::Kind::keys>},
                                          {"values", view<List::Kind::values>}};

template <std::size_t count>
bool names(const std::string_view (&table)[count], std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

}  // namespace

const NamedFunction* find_method(const Value& value, std::string_view name) {
  if (value.text()) return find_string_method(name);
  if (!value.dict()) return nullptr;
  const auto* found = std::find_if(std::begin(dict_methods), std::end(dict_methods),
                                   [name](const NamedFunction& method) { return method.name == name; });
  return found == std::end(dict_methods) ? nullptr : found;
}

bool changes_its_object(const Value& value, std::string_view name) {
  static constexpr std::string_view of_list[] = {"append", "clear",  "extend",  "insert",
                                                 "pop",    "remove", "reverse", "sort"};
  static constexpr std::string_view of_dict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (value.dict()) return names(of_dict, name);
  return value.list() && value.list()->kind == List::Kind::list && names(of_list, name);
}

}  // namespace troupe::model::jinja
