#include "model/jinja/arguments.hpp"

#include <algorithm>

#include "model/jinja/compare.hpp"
#include "model/jinja/numbers.hpp"

namespace troupe::model::jinja {

Parameters::Parameters(std::string_view function, const Arguments& arguments,
                       std::initializer_list<std::string_view> names, std::size_t required)
    : function_(function), names_(names), given_(names.size(), nullptr) {
  const std::string called = std::string(function) + "()";
  if (arguments.positional.size() > names.size()) {
    throw Failure(called + " takes no more than " + std::to_string(names.size()) + " arguments");
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) given_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto known = std::find(names_.begin(), names_.end(), name.bytes);
    if (known == names_.end()) throw Failure(called + " does not know one of its named arguments");
    const Value*& place = given_[std::size_t(known - names_.begin())];
    if (place) throw Failure(called + " is given '" + std::string(*known) + "' twice");
    place = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!given_[i]) fail(i, "is missing");
  }
}

void Parameters::fail(std::size_t i, std::string_view problem) const {
  throw Failure("argument '" + std::string(names_[i]) + "' of " + std::string(function_) + "() " +
                std::string(problem));
}

bool Parameters::flag(std::size_t i, bool otherwise) const {
  return given_[i] ? truth(*given_[i]) : otherwise;
}

std::optional<Int> Parameters::integer(std::size_t i) const {
  if (!given_[i] || given_[i]->none()) return std::nullopt;
  const auto value = as_int(*given_[i]);
  if (!value) fail(i, "is no integer");
  return value;
}

const Text* Parameters::text(std::size_t i) const {
  if (!given_[i] || given_[i]->none()) return nullptr;
  if (!given_[i]->text()) fail(i, "is no string");
  return given_[i]->text();
}

const Text& Parameters::required_text(std::size_t i) const {
  const Text* text = this->text(i);
  if (!text) fail(i, "is no string");
  return *text;
}

}  // namespace troupe::model::jinja
