// A macro as a value, with the scope that it stands in. Owned by its Render.
#pragma once

#include "model/jinja/interpreter.hpp"

namespace troupe::model::jinja {

class MacroObject final : public Object {
 public:
  MacroObject(Interpreter& interpreter, std::shared_ptr<const MacroDefinition> definition,
              std::shared_ptr<Scope> around)
      : interpreter_(interpreter), definition_(std::move(definition)), around_(std::move(around)) {}

  std::string_view type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value call(Render&, const Arguments& arguments) override {
    return interpreter_.call_macro(*definition_, around_, arguments);
  }
  std::optional<Value> attribute(Render&, std::string_view name) override {
    throw Failure("the attribute '" + std::string(name) + "' of a macro is not supported");
  }

 private:
  Interpreter& interpreter_;
  const std::shared_ptr<const MacroDefinition> definition_;
  const std::shared_ptr<Scope> around_;
};

}  // namespace troupe::model::jinja
