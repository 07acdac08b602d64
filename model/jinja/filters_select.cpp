#include "model/jinja/arguments.hpp"
#include "model/jinja/attribute_path.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/filters.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

using Change = std::function<Value(const Value&)>;

// The filter or test named by the argument at `first`, with the arguments after it.
Change named_function(Render& render, const Arguments& arguments, std::size_t first,
                      Function find(std::string_view)) {
  const Text* name = arguments.positional[first].text();
  const Function function = name ? find(name->bytes) : nullptr;
  if (!function) throw Failure("there is no filter or test of the name that map, select or reject got");
  Arguments rest{Values(arguments.positional.begin() + std::ptrdiff_t(first) + 1, arguments.positional.end()),
                 arguments.named};
  return [&render, function, rest = std::move(rest)](const Value& value) {
    return function(render, value, rest);
  };
}

Change mapped(Render& render, const Arguments& arguments) {
  if (!arguments.positional.empty()) return named_function(render, arguments, 0, find_filter);
  const Parameters given("map", arguments, {"attribute", "default"}, 1);
  return [&render, path = AttributePath(render, given[0], given[1])](const Value& value) {
    return path.of(render, value);
  };
}

// Elements for which the test, of the element or of its attribute, has the wanted outcome.
Value selected(Render& render, const Value& value, const Arguments& arguments, bool wanted,
               bool of_attribute) {
  if (of_attribute && arguments.positional.empty())
    throw Failure("selectattr and rejectattr want an attribute");
  const AttributePath path(render, of_attribute ? &arguments.positional[0] : nullptr);
  const std::size_t first = of_attribute ? 1 : 0;
  Change test = [](const Value& element) { return Value(truth(element)); };
  if (arguments.positional.size() > first) test = named_function(render, arguments, first, find_test);
  // Python looks at the truth of the value first: what is empty need not be iterable.
  if (!truth(value)) return render.generator(value, [] { return std::nullopt; });
  auto next = [&render, path, test, wanted, source = iterate(render, value)]() -> std::optional<Value> {
    while (auto element = source()) {
      if (truth(test(path.of(render, *element))) == wanted) return element;
    }
    return std::nullopt;
  };
  return render.generator(value, std::move(next));
}

}  // namespace

Value filter_map(Render& render, const Value& value, const Arguments& arguments) {
  if (!truth(value)) return render.generator(value, [] { return std::nullopt; });
  auto next = [change = mapped(render, arguments),
               source = iterate(render, value)]() -> std::optional<Value> {
    auto element = source();
    if (element) element = change(*element);
    return element;
  };
  return render.generator(value, std::move(next));
}

Value filter_reject(Render& render, const Value& value, const Arguments& arguments) {
  return selected(render, value, arguments, false, false);
}

Value filter_rejectattr(Render& render, const Value& value, const Arguments& arguments) {
  return selected(render, value, arguments, false, true);
}

Value filter_select(Render& render, const Value& value, const Arguments& arguments) {
  return selected(render, value, arguments, true, false);
}

Value filter_selectattr(Render& render, const Value& value, const Arguments& arguments) {
  return selected(render, value, arguments, true, true);
}

}  // namespace troupe::model::jinja
