#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/attribute_path.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/filters.hpp"
#include "model/jinja/operators.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {
namespace {

Value nothing(std::string_view hint) {
  return Undefined{Undefined::Why::hint, hint, {}};
}

// A generator over elements that are there already; source is what they came from.
Value generate(Render& render, const Value& source, Values all) {
  return render.generator(source,
                          [all = std::move(all), at = std::size_t(0)]() mutable -> std::optional<Value> {
                            return at < all.size() ? std::optional(all[at++]) : std::nullopt;
                          });
}

}  // namespace

Value filter_first(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("first", arguments, {});
  return iterate(render, value)().value_or(nothing("no first item, the sequence was empty"));
}

Value filter_items(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("items", arguments, {});
  if (!value.undefined() && !mapping(value))
    throw Failure("items wants a mapping, not '" + std::string(type_name(value)) + "'");
  Values pairs;
  if (const Dict* dict = value.dict()) {
    for (const auto& [key, held] : dict->entries) pairs.push_back(render.tuple({key, held}));
  }
  return generate(render, value, std::move(pairs));
}

Value filter_join(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("join", arguments, {"d", "attribute"});
  const AttributePath path(render, given[1]);
  Values items = elements(render, value);
  for (Value& item : items) item = path.of(render, std::move(item));
  return join(render, given[0] ? *to_text(render, *given[0]) : Text(), items);
}

Value filter_last(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("last", arguments, {});
  if (value.generator()) throw Failure("last wants a sequence, not a generator");
  const Values items =
      value.text() ? Values{slice(render, value, -1, std::nullopt, std::nullopt)} : elements(render, value);
  const bool empty = items.empty() || (value.text() && value.text()->bytes.empty());
  return empty ? nothing("no last item, the sequence was empty") : items.back();
}

Value filter_length(Render&, const Value& value, const Arguments& arguments) {
  Parameters("length", arguments, {});
  const auto count = length(value);
  if (!count) throw Failure("a value of type '" + std::string(type_name(value)) + "' has no length");
  return Value(Int(*count));
}

Value filter_list(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("list", arguments, {});
  return render.list(elements(render, value));
}

Value filter_reverse(Render& render, const Value& value, const Arguments& arguments) {
  Parameters("reverse", arguments, {});
  if (const Text* text = value.text()) return reversed(render, *text);
  Values items = elements(render, value);
  std::reverse(items.begin(), items.end());
  return value.generator() ? render.list(std::move(items)) : generate(render, value, std::move(items));
}

Value filter_sum(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("sum", arguments, {"attribute", "start"});
  const AttributePath path(render, given[0]);
  Value total = given[1] ? *given[1] : Value(Int(0));
  if (total.text()) throw Failure("sum() does not add strings");
  const Generator::Next next = iterate(render, value);
  while (auto element = next())
    total = binary(render, Arithmetic::add, total, path.of(render, std::move(*element)));
  return total;
}

}  // namespace troupe::model::jinja
