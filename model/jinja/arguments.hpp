// The arguments of one call, by parameter. Refers to the Arguments it was made from; one rendering's thread.
#pragma once

#include <initializer_list>
#include <optional>

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

class Parameters {
 public:
  // names: all that the function takes, in order; the first `required` must be given. Throws Failure for
  // arguments that do not fit. function and names are literals.
  Parameters(std::string_view function, const Arguments& arguments,
             std::initializer_list<std::string_view> names, std::size_t required = 0);

  const Value* operator[](std::size_t i) const { return given_[i]; }  // null: not given
  // The rest throw Failure where the value is of another type. none counts as not given.
  bool flag(std::size_t i, bool otherwise) const;
  std::optional<Int> integer(std::size_t i) const;
  Int integer(std::size_t i, Int otherwise) const { return integer(i).value_or(otherwise); }
  const Text* text(std::size_t i) const;
  const Text& required_text(std::size_t i) const;

 private:
  [[noreturn]] void fail(std::size_t i, std::string_view problem) const;

  std::string_view function_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> given_;
};

}  // namespace troupe::model::jinja
