# SPDX-License-Identifier: MIT
# Only those test files of which a list runs something: for a second build of the tests, which has the rest of them
# behind it. That each pattern of the list names a test is held by tests/without_sanitizers_test.sh.
option(IOMMUCHECK_LISTED_TESTS "Compile only what tests/without_sanitizers.list runs" OFF)

# iommucheck_listed_suites(RESULT LIST): what stands in the source for each pattern: "(Suite" of "Suite.Name" and
# "Prefix/Suite.*", "SUITE_P(Prefix" of "Prefix/*".
function(iommucheck_listed_suites result list)
  file(STRINGS "${list}" patterns REGEX "^[^#]")
  set(suites "")
  foreach(pattern IN LISTS patterns)
    if(pattern MATCHES "^([A-Za-z0-9_]+)/[*]$")
      list(APPEND suites "SUITE_P[(]${CMAKE_MATCH_1},")
    elseif(pattern MATCHES "^([A-Za-z0-9_]+/)?([A-Za-z0-9_]+)[*]?([.]|$)")
      list(APPEND suites "[(]${CMAKE_MATCH_2}[A-Za-z0-9_]*,")
    else()
      message(FATAL_ERROR "${list}: ${pattern} is no pattern of a shape that is known here")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES suites)
  list(JOIN suites "|" suites)
  set(${result} "${suites}" PARENT_SCOPE)
endfunction()

# iommucheck_listed_tests(RESULT LIST SOURCE...): the files of which the list runs something, and what other tests
# stand on (*_support.cpp).
function(iommucheck_listed_tests result list)
  iommucheck_listed_suites(suites "${list}")
  set(taken "")
  foreach(source IN LISTS ARGN)
    file(READ "${source}" text)
    if(source MATCHES "_support\\.cpp$" OR text MATCHES "${suites}")
      list(APPEND taken "${source}")
    endif()
  endforeach()
  set(${result} ${taken} PARENT_SCOPE)
endfunction()
