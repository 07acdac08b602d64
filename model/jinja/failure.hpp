// How an evaluation ends early. Thrown inside the engine
// only; ChatTemplate turns it into a refusal. Any thread.
#pragma once

#include <stdexcept>
#include <string>

namespace troupe::model::jinja {

// message holds no character of the caller's data.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  int line = 0;  // of the innermost expression or statement; 0 until one has set it
};

// raise_exception(message) of a template: the template's own words, given without a line.
class Raised : public Failure {
 public:
  using Failure::Failure;
};

}  // namespace troupe::model::jinja
