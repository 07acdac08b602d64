// The filters, `value | name(arguments)`, and the tests,
// `value is name(arguments)`. Any thread may look one up.
#pragma once

#include "model/jinja/render.hpp"

namespace troupe::model::jinja {

// Null where there is no filter, or no test, of that name.
Function find_filter(std::string_view name);
Function find_test(std::string_view name);  // gives a bool

// Of strings (filters_text.cpp).
Value filter_capitalize(Render&, const Value&, const Arguments&);
Value filter_escape(Render&, const Value&, const Arguments&);
Value filter_indent(Render&, const Value&, const Arguments&);
Value filter_lower(Render&, const Value&, const Arguments&);
Value filter_replace(Render&, const Value&, const Arguments&);
Value filter_safe(Render&, const Value&, const Arguments&);
Value filter_string(Render&, const Value&, const Arguments&);
Value filter_title(Render&, const Value&, const Arguments&);
Value filter_trim(Render&, const Value&, const Arguments&);
Value filter_upper(Render&, const Value&, const Arguments&);

// Of sequences and mappings (filters_sequence.cpp).
Value filter_first(Render&, const Value&, const Arguments&);
Value filter_items(Render&, const Value&, const Arguments&);
Value filter_join(Render&, const Value&, const Arguments&);
Value filter_last(Render&, const Value&, const Arguments&);
Value filter_length(Render&, const Value&, const Arguments&);
Value filter_list(Render&, const Value&, const Arguments&);
Value filter_reverse(Render&, const Value&, const Arguments&);
Value filter_sum(Render&, const Value&, const Arguments&);

// Of sequences, by a key or order (filters_order.cpp).
Value filter_dictsort(Render&, const Value&, const Arguments&);
Value filter_max(Render&, const Value&, const Arguments&);
Value filter_min(Render&, const Value&, const Arguments&);
Value filter_sort(Render&, const Value&, const Arguments&);
Value filter_unique(Render&, const Value&, const Arguments&);

// Of sequences, by another filter or test (filters_select.cpp).
Value filter_map(Render&, const Value&, const Arguments&);
Value filter_reject(Render&, const Value&, const Arguments&);
Value filter_rejectattr(Render&, const Value&, const Arguments&);
Value filter_select(Render&, const Value&, const Arguments&);
Value filter_selectattr(Render&, const Value&, const Arguments&);

}  // namespace troupe::model::jinja
