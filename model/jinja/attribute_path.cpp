#include "model/jinja/attribute_path.hpp"

#include "model/jinja/numbers.hpp"
#include "model/jinja/sequence.hpp"
#include "model/jinja/strings.hpp"

namespace troupe::model::jinja {

AttributePath::AttributePath(Render& render, const Value* path, const Value* otherwise) {
  if (otherwise && !otherwise->none()) otherwise_ = *otherwise;
  if (!path || path->none()) return;
  const Text* text = path->text();
  if (!text) {
    parts_.push_back(*path);
    return;
  }
  for (std::size_t begin = 0; begin <= text->bytes.size();) {
    const std::size_t end = std::min(text->bytes.find('.', begin), text->bytes.size());
    const std::string_view part(text->bytes.data() + begin, end - begin);
    const bool index = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    parts_.push_back(index ? Value(*parse_int(part, 10)) : render.text(part));
    begin = end + 1;
  }
}

Value AttributePath::of(Render& render, Value value) const {
  for (const Value& part : parts_) {
    value = item(render, value, part);
    if (otherwise_ && value.undefined()) value = *otherwise_;
  }
  return value;
}

Value ignoring_case(Render& render, Value value, bool case_sensitive) {
  return case_sensitive || !value.text() ? value : lower(render, *value.text());
}

}  // namespace troupe::model::jinja
