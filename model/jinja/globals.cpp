#include "model/jinja/globals.hpp"

#include <ctime>

#include <algorithm>

#include "model/jinja/arguments.hpp"
#include "model/jinja/compare.hpp"
#include "model/jinja/namespace.hpp"
#include "model/jinja/numbers.hpp"
#include "model/jinja/print.hpp"
#include "model/jinja/sequence.hpp"

namespace troupe::model::jinja {
namespace {

using Body = Value (*)(Render&, const Arguments&);

class GlobalFunction final : public Object {
 public:
  explicit GlobalFunction(Body body) : body_(body) {}
  std::string_view type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Render& render, const Arguments& arguments) override { return body_(render, arguments); }

 private:
  const Body body_;
};

Value make_range(Render& render, const Arguments& arguments) {
  const Parameters given("range", arguments, {"start", "stop", "step"}, 1);
  const auto number = [&](std::size_t i, Int otherwise) {
    constexpr Int far = Int(1) << 60;
    const Int value = given[i] ? given.integer(i).value_or(far) : otherwise;
    if (value >= far || value <= -far) throw Failure("range() wants integers, and not such large ones");
    return std::int64_t(value);
  };
  const bool one = !given[1];
  const Range range{one ? 0 : number(0, 0), one ? number(0, 0) : number(1, 0), number(2, 1)};
  if (range.step == 0) throw Failure("range() cannot step by zero");
  if (std::size_t(range.length()) > render.limits().range_elements) {
    throw Failure("range() gives more than " + std::to_string(render.limits().range_elements) + " elements");
  }
  return range;
}

// dict(mapping or pairs, **named)
Value make_dict(Render& render, const Arguments& arguments) {
  if (arguments.positional.size() > 1)
    throw Failure("dict() takes one mapping, or pairs, and named arguments");
  std::vector<std::pair<Value, Value>> entries;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional.front();
    if (source.dict()) {
      entries = source.dict()->entries;
    } else {
      for (const Value& element : elements(render, source)) {
        Values pair = elements(render, element);
        if (pair.size() != 2) throw Failure("dict() wants pairs");
        entries.emplace_back(std::move(pair[0]), std::move(pair[1]));
      }
    }
  }
  for (const auto& [name, value] : arguments.named) entries.emplace_back(render.text(name), value);
  return render.dict(std::move(entries));
}

Value make_namespace(Render& render, const Arguments& arguments) {
  auto* space = render.make<Namespace>();
  const Value held = make_dict(render, arguments);
  for (const auto& [key, value] : held.dict()->entries) {
    if (key.text()) space->set(*key.text(), value);
  }
  return Value(space);
}

Value raise_exception(Render& render, const Arguments& arguments) {
  const Parameters given("raise_exception", arguments, {"message"}, 1);
  throw Raised(to_text(render, *given[0])->redacted());
}

// The local time. Formats are strftime's.
Value strftime_now(Render& render, const Arguments& arguments) {
  const Parameters given("strftime_now", arguments, {"format"}, 1);
  const Text& format = given.required_text(0);
  const std::time_t now = std::chrono::system_clock::to_time_t(render.now());
  std::tm local{};
  localtime_r(&now, &local);
  // A blank is added, so that an empty result differs from one that does not fit.
  const std::string blank_ended = format.bytes + ' ';
  std::string buffer(256 + 32 * blank_ended.size(), '\0');
  render.charge_text(buffer.size());
  const std::size_t size = std::strftime(buffer.data(), buffer.size(), blank_ended.c_str(), &local);
  if (size == 0) throw Failure("strftime_now() makes too long a text");
  return render.text(std::string_view(buffer).substr(0, size - 1), !format.plain.empty());
}

}  // namespace

void add_globals(Render& render, std::unordered_map<std::string, Value>& context) {
  static constexpr std::pair<const char*, Body> functions[] = {{"range", make_range},
                                                               {"dict", make_dict},
                                                               {"namespace", make_namespace},
                                                               {"raise_exception", raise_exception},
                                                               {"strftime_now", strftime_now}};
  for (const auto& [name, body] : functions)
    context.insert_or_assign(name, Value(render.make<GlobalFunction>(body)));
}

}  // namespace troupe::model::jinja
