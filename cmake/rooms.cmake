# How the rooms of the tree become libraries: every .cpp of a folder belongs to its room.

# troupe_room(NAME FOLDERS LIBRARIES...): static library troupe_NAME.
function(troupe_room name folders)
  set(sources)
  foreach(folder IN LISTS folders)
    file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(sources)
    add_library(troupe_${name} STATIC ${sources})
    target_include_directories(troupe_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(troupe_${name} PUBLIC ${ARGN})
  else()
    add_library(troupe_${name} INTERFACE)
    target_include_directories(troupe_${name} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(troupe_${name} INTERFACE ${ARGN})
  endif()
endfunction()

# troupe_policies(NAME FOLDER LIBRARIES...): an object library, so that the linker keeps policies that nothing
# names: they register themselves. A program gets them by linking troupe_NAME.
function(troupe_policies name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  add_library(troupe_${name}_objects OBJECT ${sources})
  target_link_libraries(troupe_${name}_objects PUBLIC ${ARGN})
  add_library(troupe_${name} INTERFACE)
  target_sources(troupe_${name} INTERFACE $<TARGET_OBJECTS:troupe_${name}_objects>)
  target_link_libraries(troupe_${name} INTERFACE ${ARGN})
endfunction()

# troupe_program(NAME FOLDER LIBRARIES...): the program; what one of the libraries has of the folder is not compiled again.
# Its objects are NAME_objects, of which tests make a program with more in it.
function(troupe_program name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  foreach(library IN LISTS ARGN)
    get_target_property(in_library ${library} SOURCES)
    list(REMOVE_ITEM sources ${in_library})
  endforeach()
  add_library(${name}_objects OBJECT ${sources})
  target_link_libraries(${name}_objects PUBLIC ${ARGN})
  add_executable(${name} $<TARGET_OBJECTS:${name}_objects>)
  target_link_libraries(${name} PRIVATE ${ARGN})
endfunction()
