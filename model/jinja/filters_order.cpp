#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/attribute_path.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/filters.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

using Keyed = std::vector<std::pair<Value, Value>>;  // key, element

// sorted(elements, key, reverse): equal ones keep their order either way.
void sort_by_key(Render& render, Keyed& keyed, bool descending) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return descending ? less(render, b.first, a.first) : less(render, a.first, b.first);
  });
}

Values elements_of(Keyed keyed) {
  Values items;
  for (auto& [key, element] : keyed) items.push_back(std::move(element));
  return items;
}

template <bool greatest>
Value extreme(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given(greatest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(render, given[1]);
  const Generator::Next next = iterate(render, value);
  std::optional<Value> best, best_key;
  while (auto element = next()) {
    const Value key = ignoring_case(render, path.of(render, *element), given.flag(0, false));
    if (best && !(greatest ? less(render, *best_key, key) : less(render, key, *best_key))) continue;
    best_key = key;
    best = std::move(element);
  }
  return best.value_or(Undefined{Undefined::Why::hint, "no aggregated item, the sequence was empty", {}});
}

// The key of `sort`, which may name several attributes: "a,b.c".
Value sort_key(Render& render, const std::vector<AttributePath>& paths, const Value& element,
               bool case_sensitive) {
  Values keys;
  for (const AttributePath& path : paths) {
    keys.push_back(ignoring_case(render, path.of(render, element), case_sensitive));
  }
  return render.list(std::move(keys));
}

}  // namespace

Value filter_dictsort(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  if (!mapping(value)) throw Failure("dictsort wants a mapping, not '" + std::string(type_name(value)) + "'");
  const bool by_value = given.text(1) && given.text(1)->bytes == "value";
  if (given[1] && !by_value && (!given.text(1) || given.text(1)->bytes != "key")) {
    throw Failure("dictsort sorts by 'key' or 'value'");
  }
  Keyed keyed;
  for (const auto& [key, held] : value.dict()->entries) {
    keyed.emplace_back(ignoring_case(render, by_value ? held : key, given.flag(0, false)),
                       render.tuple({key, held}));
  }
  sort_by_key(render, keyed, given.flag(2, false));
  return render.list(elements_of(std::move(keyed)));
}

Value filter_max(Render& render, const Value& value, const Arguments& arguments) {
  return extreme<true>(render, value, arguments);
}

Value filter_min(Render& render, const Value& value, const Arguments& arguments) {
  return extreme<false>(render, value, arguments);
}

Value filter_sort(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<AttributePath> paths;
  if (const Text* names = given[2] ? given[2]->text() : nullptr) {
    for (std::size_t begin = 0; begin <= names->bytes.size();) {
      const std::size_t end = std::min(names->bytes.find(',', begin), names->bytes.size());
      const Value name = render.text(names->slice(begin, end));
      paths.emplace_back(render, &name);
      begin = end + 1;
    }
  } else {
    paths.emplace_back(render, given[2]);
  }
  Keyed keyed;
  for (const Value& element : elements(render, value)) {
    keyed.emplace_back(sort_key(render, paths, element, given.flag(1, false)), element);
  }
  sort_by_key(render, keyed, given.flag(0, false));
  return render.list(elements_of(std::move(keyed)));
}

Value filter_unique(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("unique", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(render, given[1]);
  auto next = [&render, path, case_sensitive = given.flag(0, false), source = iterate(render, value),
               seen = std::unordered_map<std::string, bool>()]() mutable -> std::optional<Value> {
    while (auto element = source()) {
      const Value key = ignoring_case(render, path.of(render, *element), case_sensitive);
      if (seen.try_emplace(hash_key(render, key), true).second) return element;
    }
    return std::nullopt;
  };
  return render.generator(value, std::move(next));
}

}  // namespace troupe::model::jinja
