// Whether a server keeps to the form of its API, whatever its model says. They throw Error, too, which is a failure.
#pragma once

#include "launch/smoke/outcome.hpp"
#include "launch/smoke/session.hpp"

namespace troupe::launch::smoke {

Outcome check_health(Session& session);
Outcome check_models(Session& session);
Outcome check_answer(Session& session);
// The streamed answer is the whole one.
Outcome check_stream(Session& session);
// A call of the tool that the request names, with arguments of its schema.
Outcome check_tools(Session& session);
// They count a request and its tokens.
Outcome check_metrics(Session& session);

// Of --deep:
// The same question several times at once has the answer that it has alone.
Outcome check_concurrency(Session& session);
// A client that leaves ends its generation.
Outcome check_cancellation(Session& session);
// What cannot be served is refused with its status and OpenAI's error, and harms nothing.
Outcome check_limits(Session& session);

}  // namespace troupe::launch::smoke
