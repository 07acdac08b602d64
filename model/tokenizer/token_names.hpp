// A vocabulary's tokens by the names that its file gives them, while it is read. The names live in the file's document.
// One owner.
#pragma once

#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/base/ids.hpp"

namespace troupe::model {

struct TokenNames {
  std::unordered_map<std::string_view, TokenId> ids;
  std::vector<std::string_view> names;  // by id; empty where there is none

  void add(std::string_view name, TokenId id) {
    if (names.size() <= static_cast<std::size_t>(id)) names.resize(static_cast<std::size_t>(id) + 1);
    names[static_cast<std::size_t>(id)] = name;
    ids[name] = id;
  }
  std::string_view name_of(TokenId id) const {
    return static_cast<std::size_t>(id) < names.size() ? names[static_cast<std::size_t>(id)]
                                                       : std::string_view{};
  }
};

}  // namespace troupe::model
