// Which files of a model are wanted. Any thread.
#pragma once

#include <string>
#include <vector>

#include "launch/pull/listing.hpp"

namespace troupe::launch::pull {

// Patterns as a shell has them, of whole names; * also stands for slashes.
struct Selection {
  std::vector<std::string> include;  // empty: what a checkpoint needs
  std::vector<std::string> exclude;  // and of those not these

  std::string text() const;  // as flags, on one line if check() let them pass; empty for the default
  // Throws UsageError for a pattern that is no name's.
  void check() const;
};

// Without patterns: settings, tokenizer, template and weights of a checkpoint in safetensors, as they lie in its folder; where it has
// none, its GGUF file or the parts of one. where: the model. Throws Error where nothing is left, or there are several GGUF
// files to choose from.
std::vector<RemoteFile> select(const Listing& listing, const Selection& selection, const std::string& where);

}  // namespace troupe::launch::pull
