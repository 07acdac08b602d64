#include "launch/chat/screen.hpp"

#include <ostream>

#include "launch/server_answer.hpp"

namespace troupe::launch::chat {

void Screen::notice(std::string_view text) {
  if (terminal_) out_ << text << std::flush;
}

void Screen::tell(const Piece& piece) {
  if (terminal_ && !piece.reasoning.empty()) {
    thinking(true);
    out_ << harmless(piece.reasoning);
  }
  if (!piece.content.empty()) {
    thinking(false);
    out_ << (terminal_ ? harmless(piece.content) : piece.content);
    line_open_ = !piece.content.ends_with('\n');
  }
  out_ << std::flush;
}

void Screen::end_answer() {
  thinking(false);
  if (line_open_) out_ << "\n";
  line_open_ = true;
  out_ << std::flush;
}

void Screen::thinking(bool now) {
  if (dim_ == now) return;
  out_ << (now ? "\x1b[2m" : "\x1b[0m\n");
  dim_ = now;
}

}  // namespace troupe::launch::chat
