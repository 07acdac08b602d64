// From a request to the rules of its sequences' logits, the grammar that its answer must keep among them. Any thread.
#pragma once

#include "model/output/output_parser.hpp"
#include "runtime/generation/choices.hpp"

namespace troupe::runtime {

// Whether the request's answer must keep a grammar, so that preparing it may take long.
bool wants_grammar(const GenerationRequest& request);

// Sets the rules of a submission that is complete but for them; prompt: the one that it is of. Compiles the grammar, to
// refuse what is none, with the field and the place in it.
Expected<void> set_logit_rules(const GenerationRequest& request, const Prompt& prompt,
                               const model::OutputFormat& format, const model::TextModel& text,
                               const GenerationRules& rules, Submission& submission);

}  // namespace troupe::runtime
