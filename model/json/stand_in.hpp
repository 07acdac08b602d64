// What stands in a file's place when a checkpoint was not fetched whole: the pointer that git leaves without its
// LFS extension, or the page of a hub that asks for a login. Any thread.
#pragma once

#include <string_view>

namespace troupe::model {

// Throws Error that says what the file is and how to get the one that it stands for. content: its first bytes,
// or all of it.
void refuse_stand_in(std::string_view content, std::string_view where);

}  // namespace troupe::model
