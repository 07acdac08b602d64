#include "model/jinja/value.hpp"

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {
namespace {

struct TypeName {
  std::string_view operator()(const Undefined&) const { return "Undefined"; }
  std::string_view operator()(const None&) const { return "NoneType"; }
  std::string_view operator()(bool) const { return "bool"; }
  std::string_view operator()(Int) const { return "int"; }
  std::string_view operator()(double) const { return "float"; }
  std::string_view operator()(const std::shared_ptr<const Text>& x) const {
    return x->markup ? "Markup" : "str";
  }
  std::string_view operator()(const std::shared_ptr<const List>& x) const {
    switch (x->kind) {
      case List::Kind::list:
        return "list";
      case List::Kind::keys:
        return "dict_keys";
      case List::Kind::values:
        return "dict_values";
      case List::Kind::items:
        return "dict_items";
      default:
        return "tuple";
    }
  }
  std::string_view operator()(const std::shared_ptr<const Dict>&) const { return "dict"; }
  std::string_view operator()(const Range&) const { return "range"; }
  std::string_view operator()(const std::shared_ptr<Generator>&) const { return "generator"; }
  std::string_view operator()(const std::shared_ptr<const Method>&) const { return "method"; }
  std::string_view operator()(const Object* x) const { return x->type_name(); }
};

}  // namespace

std::string_view type_name(const Value& value) {
  return std::visit(TypeName{}, value.data);
}

Value Object::call(Render&, const Arguments&) {
  throw Failure("calls a value of type '" + std::string(type_name()) + "'");
}

void Object::print(TextWriter& out) {
  out.append("<" + std::string(type_name()) + ">");
}

}  // namespace troupe::model::jinja
