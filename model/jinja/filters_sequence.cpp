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

Value filter_batch(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("batch", arguments, {"linecount", "fill_with"}, 1);
  const std::optional<Int> count = given.integer(0);
  if (!count) throw Failure("batch() wants an integer");
  const std::optional<Value> fill = given[1] && !given[1]->none() ? std::optional(*given[1]) : std::nullopt;
  // A row is given when the element after it has come, as jinja2 does.
  auto next = [&render, count = *count, fill, source = iterate(render, value),
               held = std::optional<Value>()]() mutable -> std::optional<Value> {
    Values row;
    if (held) row.push_back(*std::exchange(held, std::nullopt));
    while (auto element = source()) {
      if (Int(row.size()) == count) {
        held = std::move(element);
        return render.list(std::move(row));
      }
      row.push_back(std::move(*element));
    }
    if (row.empty()) return std::nullopt;
    while (fill && Int(row.size()) < count) {
      render.charge(2);
      row.push_back(*fill);
    }
    return render.list(std::move(row));
  };
  return render.generator(value, next);
}

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

Value filter_slice(Render& render, const Value& value, const Arguments& arguments) {
  const Parameters given("slice", arguments, {"slices", "fill_with"}, 1);
  const Int slices = given.integer(0, 0);
  if (slices == 0) throw Failure("slice() wants a number of slices");
  const Values items = elements(render, value);
  const Int each = Int(items.size()) / slices, longer = Int(items.size()) % slices;
  Values rows;
  std::size_t at = 0;
  for (Int i = 0; i < slices; ++i) {
    const std::size_t end = at + std::size_t(each + (i < longer ? 1 : 0));
    Values row(items.begin() + std::ptrdiff_t(at), items.begin() + std::ptrdiff_t(end));
    if (given[1] && !given[1]->none() && i >= longer) row.push_back(*given[1]);
    rows.push_back(render.list(std::move(row)));
    at = end;
  }
  return generate(render, value, std::move(rows));
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
