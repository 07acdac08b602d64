#include "launch/chat/screen.hpp"

#include <ostream>

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

std::string harmless(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xC2 && next >= 0x80 && next < 0xA0)  // U+0080 to U+009F: control characters, too
      ++i;
    else if ((byte >= ' ' && byte != 0x7F) || byte == '\n' || byte == '\t')
      shown += text[i];
  }
  return shown;
}

}  // namespace troupe::launch::chat
