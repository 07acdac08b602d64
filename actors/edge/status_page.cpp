#include "actors/edge/status_page.hpp"

namespace troupe::actors::edge {

extern const char* const status_page_html;  // status_page.html, as the build makes it a source

Reply status_page() {
  return {
      .content_type = "text/html; charset=utf-8",
      .body = status_page_html,
      .headers = {
          {"Vary", "Accept"},
          {"Cache-Control", "no-cache"},
          {"Content-Security-Policy",
           "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
           "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}}};
}

}  // namespace troupe::actors::edge
