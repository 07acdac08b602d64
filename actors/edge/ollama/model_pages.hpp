// What Ollama's clients ask of the server and the model beside answers. Any thread.
#pragma once

#include "actors/edge/protocol.hpp"

namespace troupe::actors::edge::ollama {

Reply running_page(const PageRequest& request);
Reply tags_page(const PageRequest& request);
Reply show_page(const PageRequest& request);
Reply ps_page(const PageRequest& request);
Reply version_page(const PageRequest& request);
Reply embed_page(const PageRequest& request);
Reply no_other_model_page(const PageRequest& request);  // pull, push, create, copy, delete

}  // namespace troupe::actors::edge::ollama
