// The text of an error, for tests that compare it.
#pragma once

#include <gmock/gmock.h>

#include <string>

#include "runtime/base/error.hpp"

namespace troupe {

// The text of the Error that call throws; "no error" when it throws none.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace troupe
