# SPDX-License-Identifier: MIT
# Several files of a target compiled as one. From nothing that takes a third of the time, since what headers
# bring is compiled once for all of them; after a change of one file it takes longer. So it is for builds that
# start from nothing (./dev test), and not for work. Two files with the same name in an unnamed namespace do
# not build that way: the name then says too little.
option(IOMMUCHECK_UNITY "Compile several files of a target as one" OFF)
set(IOMMUCHECK_UNITY_FILES 16 CACHE STRING "How many files at most")

# iommucheck_unity(TARGET [FILES]): what is wanted for TARGET, where it is wanted at all. The files that include the
# others are written here and not by CMake, which names them by absolute paths: other text in each clone, and so nothing
# that ccache could know.
function(iommucheck_unity target)
  if(NOT IOMMUCHECK_UNITY)
    return()
  endif()
  set(files ${IOMMUCHECK_UNITY_FILES} ${ARGN})
  list(GET files -1 files)
  get_target_property(sources ${target} SOURCES)
  get_target_property(folder ${target} SOURCE_DIR)
  set(left "")
  set(number 0)
  set(count 0)
  set(text "")
  foreach(source IN LISTS sources)
    iommucheck_unity_takes(taken ${target} "${folder}" "${source}")
    if(NOT taken)
      list(APPEND left "${source}")
      continue()
    endif()
    string(APPEND text "#include \"${taken}\"\n")
    math(EXPR count "${count} + 1")
    if(count EQUAL files)
      iommucheck_unity_file(left ${target} ${number} "${text}")
      math(EXPR number "${number} + 1")
      set(count 0)
      set(text "")
    endif()
  endforeach()
  if(text)
    iommucheck_unity_file(left ${target} ${number} "${text}")
  endif()
  set_property(TARGET ${target} PROPERTY SOURCES ${left})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ takes a .cpp that is included for a header, whose types other files could see.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# RESULT: the path from the tree's root of a source that may be compiled with others; empty for what has options of
# its own, is generated, or is no C++.
function(iommucheck_unity_takes result target folder source)
  set(${result} "" PARENT_SCOPE)
  if(NOT source MATCHES "\\.cpp$")
    return()
  endif()
  foreach(property COMPILE_OPTIONS COMPILE_DEFINITIONS SKIP_UNITY_BUILD_INCLUSION)
    get_source_file_property(own "${source}" TARGET_DIRECTORY ${target} ${property})
    if(own)
      return()
    endif()
  endforeach()
  cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${folder}" NORMALIZE)
  cmake_path(IS_PREFIX PROJECT_BINARY_DIR "${source}" generated)
  cmake_path(IS_PREFIX PROJECT_SOURCE_DIR "${source}" inside)
  if(inside AND NOT generated)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set(${result} "${source}" PARENT_SCOPE)
  endif()
endfunction()

# The NUMBER-th of these files, with TEXT, goes to LIST.
function(iommucheck_unity_file list target number text)
  set(file "${PROJECT_BINARY_DIR}/unity/${target}_${number}.cpp")
  file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
  set(${list} ${${list}} "${file}" PARENT_SCOPE)
endfunction()
