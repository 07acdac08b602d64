// namespace(...): the one value that a template may change. Owned by its Render.
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

class Namespace final : public Object {
 public:
  std::string_view type_name() const override { return "Namespace"; }
  std::optional<Value> attribute(Render&, std::string_view name) override;
  void set(const Text& name, Value value);
  void print(TextWriter& out) override;

 private:
  std::vector<std::pair<Text, Value>> attributes_;  // in order of first assignment
};

}  // namespace troupe::model::jinja
