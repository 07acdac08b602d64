// Status line and headers as bytes. Any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "actors/edge/cors.hpp"
#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {

// What an answer's head owes to its request.
struct Exchange {
  std::string request_id;   // the client's or ours
  unsigned version = 11;    // of HTTP; 10 knows no chunks
  bool keep_alive = false;  // after this answer
  bool head_only = false;   // HEAD: the body is left away
  HeaderFields cors{};      // what a browser asks for
  std::string region{};     // of the server; empty: none
  std::function<HeaderFields()>
      standing{};  // what is left of the caller's limits when the answer begins; may be empty
};

std::string whole_response(const Reply& reply, const Exchange& exchange);

// Head of a stream; the body follows in the form that frame_stream_bytes gives it.
std::string stream_head(const Exchange& exchange, std::string_view type, const HeaderFields& fields = {});
std::string frame_stream_bytes(const std::string& bytes,
                               const Exchange& exchange);  // one chunk; bytes not empty
std::string stream_tail(const Exchange& exchange);         // the last chunk

}  // namespace troupe::actors::edge
