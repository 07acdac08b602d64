#include "model/jinja/namespace.hpp"

#include <algorithm>

#include "model/jinja/print.hpp"

namespace troupe::model::jinja {

std::optional<Value> Namespace::attribute(Render& render, std::string_view name) {
  render.charge(1 + attributes_.size() / 8);
  for (const auto& [known, value] : attributes_) {
    if (known.bytes == name) return value;
  }
  return std::nullopt;
}

void Namespace::set(const Text& name, Value value) {
  const auto found = std::find_if(attributes_.begin(), attributes_.end(),
                                  [&](const auto& attribute) { return attribute.first.bytes == name.bytes; });
  if (found != attributes_.end()) {
    found->second = std::move(value);
  } else {
    attributes_.emplace_back(name, std::move(value));
  }
}

void Namespace::print(TextWriter& out) {
  out.append("<Namespace {");
  for (std::size_t i = 0; i < attributes_.size(); ++i) {
    if (i > 0) out.append(", ");
    print_repr(out, out.render().text(attributes_[i].first));
    out.append(": ");
    print_repr(out, attributes_[i].second);
  }
  out.append("}>");
}

}  // namespace troupe::model::jinja
