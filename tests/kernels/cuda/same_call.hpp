// Whether a function of a table is declared as in NVIDIA's header, but for the names of handles and results.
#pragma once

#include <type_traits>

namespace troupe::kernels::cuda {

template <class Ours, class Theirs>
constexpr bool same_number =
    sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> ==
                                          std::is_pointer_v<Theirs>&& std::is_floating_point_v<Ours> ==
                                          std::is_floating_point_v<Theirs>;
template <class Ours, class Theirs>
constexpr bool same_call = false;
template <class R1, class... A1, class R2, class... A2>
requires(sizeof...(A1) ==
         sizeof...(A2)) constexpr bool same_call<R1 (*)(A1...), R2 (*)(A2...)> = (same_number<R1, R2> &&
                                                                                  ... && same_number<A1, A2>);

}  // namespace troupe::kernels::cuda
