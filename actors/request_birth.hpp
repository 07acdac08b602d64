// From what a client asked to what the scheduler gets: rendering, tokenizing, limits and defaults.
#pragma once

#include "actors/request.hpp"

namespace troupe::actors {

// The choices of a request, in order of their index. Refuses what the model cannot take, with the numbers.
Expected<std::vector<RequestState::Choice>> make_choices(const GenerationRequest& request,
                                                         RequestContext& context);

}  // namespace troupe::actors
