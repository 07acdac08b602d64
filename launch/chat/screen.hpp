// Where a conversation is shown. On a terminal the model's reasoning is dim, and nothing that the model says can steer
// the terminal; elsewhere its answers come as they are, without the reasoning. One owner.
#pragma once

#include <iosfwd>

#include "launch/chat/answer_stream.hpp"

namespace troupe::launch::chat {

class Screen {
 public:
  Screen(std::ostream& out, bool terminal) : out_(out), terminal_(terminal) {}

  bool terminal() const { return terminal_; }
  void notice(std::string_view text);  // on a terminal alone
  void tell(const Piece& piece);
  void end_answer();  // it stands on lines of its own; an empty one is an empty line

 private:
  void thinking(bool now);

  std::ostream& out_;
  bool terminal_;
  bool dim_ = false;
  bool line_open_ = true;  // the answer's last line has no end yet
};

}  // namespace troupe::launch::chat
