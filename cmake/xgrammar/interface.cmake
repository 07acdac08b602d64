# What xgrammar and those who use it are compiled with: SCOPE is PUBLIC or INTERFACE.
function(xgrammar_interface target scope)
  target_include_directories(${target} SYSTEM ${scope} ${XGRAMMAR_SOURCE}/include ${XGRAMMAR_SOURCE}/cpp
                                                       ${XGRAMMAR_SOURCE}/3rdparty/picojson ${XGRAMMAR_SOURCE}/3rdparty/dlpack/include)
  # What it has to say goes to model/grammar/engine_messages.cpp and not to the error stream.
  target_compile_definitions(${target} ${scope} XGRAMMAR_LOG_CUSTOMIZE=1 XGRAMMAR_ENABLE_CPPTRACE=0 XGRAMMAR_ENABLE_INTERNAL_CHECK=0)
endfunction()
